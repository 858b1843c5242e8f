"""Pages are kept for their scope, for as long as their server says, and asked for again by what it gave to go by."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

import pytest
from tests.agents.search.conftest import Ask, Held
from tests.net.web_site import Site, answer, redirect

from astro_mcp.agents.search import pages
from astro_mcp.agents.search.freshness import LONGEST, UNTOLD, fresh_until
from astro_mcp.agents.search.models import FetchOutput
from astro_mcp.store.database import Database

HTML = "text/html; charset=utf-8"
NOW = 1_800_000_000.0


def body(text: str) -> bytes:
    return f"<html><body><main><p>{text}</p></main></body></html>".encode()


async def page(ask: Ask, site: Site, path: str = "/page", **more: object) -> FetchOutput:
    value = (await ask("web_fetch", url=f"http://site.example:{site.port}{path}", **more)).unwrap()
    assert isinstance(value, FetchOutput)
    return value


def paths(site: Site) -> list[str]:
    return [path for path, _ in site.requests]


async def test_a_fresh_page_is_not_asked_for_again_and_another_scope_asks_for_itself(
    ask: Ask, site: Site, clock: Held
) -> None:
    site.replies["/page"] = answer(body("one"), content_type=HTML, cache_control="max-age=100")
    first, again = await page(ask, site), await page(ask, site, find="one")
    assert "one" in first.markdown
    assert again.passages
    assert again.sha256 == first.sha256
    assert paths(site) == ["/page"]
    await page(ask, site, principal="other")
    assert paths(site) == ["/page"] * 2
    clock.ahead = 101
    await page(ask, site)
    assert paths(site) == ["/page"] * 3


async def test_a_stale_page_is_asked_for_by_its_tag_and_comes_from_here_where_nothing_changed(
    ask: Ask, site: Site, clock: Held
) -> None:
    changed = formatdate(NOW, usegmt=True)
    site.replies["/page"] = answer(
        body("one"), content_type=HTML, etag='"1"', last_modified=changed, cache_control="no-cache"
    )
    await page(ask, site)
    site.replies["/page"] = answer(b"", "304 Not Modified", cache_control="max-age=50", etag='"1"')
    assert "one" in (await page(ask, site)).markdown
    asked = site.requests[-1][1]
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"1"', changed)
    await page(ask, site)
    assert len(site.requests) == 2, "the answer made it fresh again"
    clock.ahead = 60
    site.replies["/page"] = answer(body("two"), content_type=HTML, etag='"2"')
    assert "two" in (await page(ask, site)).markdown


@pytest.mark.parametrize("tag", ['"\u00e9"', '"\u20ac"', '"a\x7fb"'], ids=ascii)
async def test_a_tag_that_no_request_can_hold_is_not_sent_back(ask: Ask, site: Site, tag: str) -> None:
    changed = formatdate(NOW, usegmt=True)
    site.replies["/page"] = answer(
        body("one"), content_type=HTML, etag=tag, last_modified=changed, cache_control="no-cache"
    )
    for _ in range(2):
        assert "one" in (await page(ask, site)).markdown
    assert "if-none-match" not in site.requests[-1][1]
    assert site.requests[-1][1]["if-modified-since"] == changed


@pytest.mark.parametrize("headers", [{"cache_control": "no-store"}, {"vary": "Cookie"}, {"vary": "*"}])
async def test_what_is_not_to_be_kept_is_not(ask: Ask, site: Site, headers: dict[str, str]) -> None:
    site.replies["/page"] = answer(body("one"), content_type=HTML, **headers)
    for _ in range(2):
        await page(ask, site)
    assert len(site.requests) == 2
    assert "if-none-match" not in site.requests[-1][1]


async def test_an_error_is_not_kept_and_ends_what_was(ask: Ask, site: Site, clock: Held) -> None:
    site.replies["/page"] = answer(body("one"), content_type=HTML, etag='"1"', cache_control="max-age=10")
    await page(ask, site)
    clock.ahead = 11
    site.replies["/page"] = answer(b"", "404 Not Found", cache_control="max-age=1000")
    for _ in range(2):
        error = (await ask("web_fetch", url=f"http://site.example:{site.port}/page")).error
        assert error is not None
        assert error.code == "not_found"
    assert len(site.requests) == 3
    assert "if-none-match" not in site.requests[-1][1]


async def test_a_page_behind_a_redirect_is_told_with_its_own_address(ask: Ask, site: Site) -> None:
    site.replies["/old"] = redirect("/page")
    site.replies["/page"] = answer(body("one"), content_type=HTML, cache_control="max-age=100")
    first, again = await page(ask, site, "/old"), await page(ask, site, "/old")
    assert first == again
    assert first.url_final.endswith("/page")
    assert paths(site) == ["/old", "/page"]


async def test_a_304_for_another_page_than_the_kept_one_is_not_believed(ask: Ask, site: Site, clock: Held) -> None:
    site.replies["/old"] = redirect("/page")
    site.replies["/page"] = answer(body("one"), content_type=HTML, etag='"1"', cache_control="max-age=10")
    await page(ask, site, "/old")
    clock.ahead = 11
    site.replies["/old"] = answer(b"", "304 Not Modified")
    error = (await ask("web_fetch", url=f"http://site.example:{site.port}/old")).error
    assert error is not None
    assert "304" in error.message


async def test_the_oldest_pages_go_where_there_are_too_many(
    ask: Ask, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGES", 3)
    for number in range(5):
        site.replies[f"/{number}"] = answer(body("x"), content_type=HTML, cache_control="max-age=100")
        await page(ask, site, f"/{number}")
    await page(ask, site, "/4")
    await page(ask, site, "/0")
    assert paths(site) == ["/0", "/1", "/2", "/3", "/4", "/0"]
    async with Database.open(tmp_path / "astro.db") as database:
        rows = await database.read(lambda tx: tx.rows("SELECT url FROM page"))
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, UNTOLD),
        ({"cache-control": "public, max-age=30"}, 30),
        ({"cache-control": "max-age=30", "age": "20"}, 10),
        ({"cache-control": "max-age=99999999999"}, LONGEST),
        ({"cache-control": 'max-age="30"'}, 30),
        ({"cache-control": "max-age=-5"}, 0),
        ({"cache-control": "no-cache, max-age=30"}, 0),
        ({"expires": formatdate(NOW + 40, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 40),
        ({"expires": "0"}, 0),
        ({"last-modified": formatdate(NOW - 1_000, usegmt=True)}, 100),
        ({"last-modified": formatdate(NOW - 1_000_000, usegmt=True)}, 3_600),
        ({"last-modified": "nonsense"}, UNTOLD),
        ({"vary": "Accept-Encoding, accept"}, UNTOLD),
    ],
)
def test_how_long_a_page_stands_follows_its_headers(headers: dict[str, str], seconds: float) -> None:
    until = fresh_until(headers, NOW)
    assert until is not None
    assert until - NOW == pytest.approx(seconds, abs=1)
