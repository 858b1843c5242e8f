"""A long page comes in parts through a host's connection, and no part ends or begins within a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.net.web_site import answer
from tests.security.chain import chained


async def test_the_parts_of_a_long_page_are_the_page_and_cut_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"wörd{number:06d}" for number in range(40_000)]
    text = "\n\n".join(" ".join(words[start : start + 800]) for start in range(0, len(words), 800))
    async with chained(tmp_path, monkeypatch) as chain, chain.host() as host:
        chain.sink.replies["/long"] = answer(text.encode(), content_type="text/plain; charset=utf-8")
        url = f"http://docs.example:{chain.sink.port}/long"
        part = await host.good("web_fetch", url=url)
        parts = [part["markdown"]]
        while cursor := part.get("next_cursor"):
            part = await host.good("web_fetch", url=url, cursor=cursor)
            parts.append(part["markdown"])
    assert len(parts) > 2
    assert [word for one in parts for word in one.split()] == words
    assert "".join(parts).rstrip() == text


@pytest.mark.parametrize("shape", ["headings", "title"])
async def test_what_stands_beside_each_part_leaves_the_page_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    text = "".join(f"## {'見出し' * 33}\n\nA paragraph, number {number}.\n\n" for number in range(80))
    reply = answer(text.encode(), content_type="text/plain; charset=utf-8")
    if shape == "title":
        feed = f"<rss><channel><title>{'A title. ' * 5_000}</title><item><title>One</title></item></channel></rss>"
        reply = answer(feed.encode(), content_type="application/rss+xml")
    async with chained(tmp_path, monkeypatch) as chain, chain.host() as host:
        chain.sink.replies["/page"] = reply
        url = f"http://docs.example:{chain.sink.port}/page"
        part = await host.good("web_fetch", url=url)
        length = part["characters"]
        parts = [part["markdown"]]
        while (cursor := part.get("next_cursor")) and len(parts) < 20:
            part = await host.good("web_fetch", url=url, cursor=cursor)
            parts.append(part["markdown"])
    assert len("".join(parts)) == length
