"""Quotes in quotes and lists in lists: as deep as somebody follows them, and never a page of memory for each line."""

from __future__ import annotations

import pytest
from tests.agents.search.conftest import Ask
from tests.agents.search.test_fetch import page
from tests.net.web_site import Site, answer

from astro_mcp.agents.search import nesting
from astro_mcp.agents.search.nesting import LISTS, QUOTES

HTML = "text/html; charset=utf-8"
LINES = 3_000
DEEP = {
    "quotes": "<blockquote>" * 200,
    "quotes in lists": "<ul><li><blockquote>" * 60,
    "lists": "<ol><li>" * 100,
    "quotes that an end tag does not close for all parsers": "<blockquote><object></blockquote>" * 100,
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("mode", ["article", "full"])
async def test_a_line_of_a_page_grows_by_few_levels_of_many(
    ask: Ask, site: Site, kind: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nesting, "ROOM", 1_000_000)
    body = DEEP[kind] + "<p>word" * LINES
    site.replies["/page"] = answer(body.encode(), content_type=HTML)
    got = await page(ask, site, mode=mode)
    assert got.characters < 2 * LINES * (2 * QUOTES + 4 * LISTS)
    assert got.markdown.count("word") == LINES


@pytest.mark.parametrize("mode", ["article", "full"])
async def test_levels_that_somebody_writes_stay_as_they_are(ask: Ask, site: Site, mode: str) -> None:
    body = "".join(f"<blockquote><p>said {level}" for level in range(QUOTES)) + "</blockquote>" * QUOTES
    body += "".join(f"<ul><li>point {level}" for level in range(LISTS)) + "</li></ul>" * LISTS
    site.replies["/page"] = answer(body.encode(), content_type=HTML)
    got = await page(ask, site, mode=mode)
    assert f"\n{'> ' * QUOTES}said {QUOTES - 1}\n" in got.markdown
    assert f"\n{' ' * 2 * (LISTS - 1)}" in got.markdown
    assert f" point {LISTS - 1}\n" in got.markdown
