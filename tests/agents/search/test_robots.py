"""What a site asks of programs is done, and nothing else of what its robots.txt could bring about."""

from __future__ import annotations

import time
from functools import partial

import pytest
from protego import Protego
from tests.agents.search.conftest import Ask, Build, Held
from tests.agents.search.test_fetch import fetch
from tests.net.web_site import Site, answer, redirect
from tests.quickest import ATTEMPTS, computed, with_pauses

from astro_mcp.agents.search import robots
from astro_mcp.agents.search.robots import AGAIN, BYTES, KEPT, _parsed

PAGE = answer(b"<p>text", content_type="text/html", cache_control="no-store")
LEAVE = "User-agent: *\nDisallow: /private\nAllow: /private/open\n\nUser-agent: Astro-MCP\nDisallow: /ours\n"


@pytest.fixture
async def polite(build: Build) -> Ask:
    return await build(robots=True)


def paths(site: Site) -> list[str]:
    return [path for path, _ in site.requests]


async def code(ask: Ask, site: Site, path: str) -> str:
    error = (await fetch(ask, site, path)).error
    return error.code if error else "ok"


async def test_a_page_that_programs_are_to_leave_alone_is_refused_without_a_request(polite: Ask, site: Site) -> None:
    site.replies |= {"/robots.txt": answer(LEAVE.replace("/ours", "/private").encode()), "/private/a": PAGE}
    error = (await fetch(polite, site, "/private/a")).error
    assert error is not None
    assert (error.code, error.retryable) == ("forbidden", False)
    assert "robots.txt of site.example" in error.message
    assert "web.robots" in error.hint
    assert paths(site) == ["/robots.txt"]


async def test_rules_for_our_name_stand_in_place_of_those_for_everybody(polite: Ask, site: Site) -> None:
    site.replies |= {"/robots.txt": answer(LEAVE.encode()), "/private": PAGE}
    assert await code(polite, site, "/private") == "ok"
    assert await code(polite, site, "/ours") == "forbidden"


async def test_rules_are_asked_for_once_a_day(polite: Ask, site: Site, clock: Held) -> None:
    site.replies |= {"/robots.txt": answer(b""), "/a": PAGE}
    for _ in range(3):
        assert await code(polite, site, "/a") == "ok"
    clock.ahead = KEPT + 1
    await code(polite, site, "/a")
    assert paths(site) == ["/robots.txt", "/a", "/a", "/a", "/robots.txt", "/a"]


async def test_a_redirect_to_a_page_that_is_to_be_left_alone_is_not_followed(polite: Ask, site: Site) -> None:
    site.replies |= {"/robots.txt": answer(LEAVE.encode()), "/old": redirect("/ours/x"), "/ours/x": PAGE}
    assert await code(polite, site, "/old") == "forbidden"
    assert "/ours/x" not in paths(site)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (answer(b"Disallow: /", "404 Not Found"), "ok"),
        (answer(b"Disallow: /", "403 Forbidden"), "ok"),
        (answer(b"", "503 Unavailable"), "forbidden"),
        (answer(b"#" * (BYTES + 1)), "forbidden"),
        (answer(b"", content_encoding="br"), "forbidden"),
        (answer(b"\0\xff\xfe<html>no rules</html>"), "ok"),
        (b"", "provider_failed"),
    ],
    ids=["not there", "kept from us", "failing", "too large", "packed", "no rules", "broken"],
)
async def test_rules_that_are_not_there_forbid_nothing_and_rules_that_fail_forbid_all(
    polite: Ask, site: Site, reply: bytes, told: str
) -> None:
    site.replies |= {"/robots.txt": reply, "/a": PAGE}
    assert await code(polite, site, "/a") == told


async def test_rules_that_redirect_without_end_are_told_as_such(polite: Ask, site: Site) -> None:
    site.replies |= {"/robots.txt": redirect("/robots.txt"), "/a": PAGE}
    error = (await fetch(polite, site, "/a")).error
    assert error is not None
    assert error.code == "forbidden"
    assert "its robots.txt redirects more than 5 times" in error.message


async def test_rules_that_failed_are_asked_for_again_soon(polite: Ask, site: Site, clock: Held) -> None:
    site.replies |= {"/robots.txt": answer(b"", "500 Broken"), "/a": PAGE}
    assert await code(polite, site, "/a") == "forbidden"
    site.replies["/robots.txt"] = answer(b"")
    clock.ahead = AGAIN + 1
    assert await code(polite, site, "/a") == "ok"


async def test_rules_that_are_not_to_be_followed_are_not_asked_for(ask: Ask, site: Site) -> None:
    site.replies["/a"] = PAGE
    assert await code(ask, site, "/a") == "ok"
    assert paths(site) == ["/a"]


async def test_large_rules_of_many_sites_are_not_held_together(
    polite: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = "User-agent: *\n" + "Disallow: /private*$\n" * 100, "User-agent: *\nDisallow: /private\n"
    monkeypatch.setattr(robots, "HELD", 20_000)
    site.replies["/a"] = PAGE

    async def asked(host: str, rules: str) -> int:
        """How often the host was asked for its rules."""
        site.replies["/robots.txt"], before = answer(rules.encode()), paths(site).count("/robots.txt")
        (await polite("web_fetch", url=f"http://{host}.example:{site.port}/a")).unwrap()
        return paths(site).count("/robots.txt") - before

    assert [await asked(host, large) for host in ("one", "two", "one", "two")] == [1, 1, 1, 1]
    assert [await asked(host, small) for host in ("three", "four", "three", "four")] == [1, 1, 0, 0]
    assert await asked("two", large) == 0, "what is small does not drive it out"


async def test_the_loop_goes_on_while_a_page_is_held_against_many_rules(
    polite: Ask, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Protego.can_fetch

    def slow(self: Protego, *given: str) -> bool:
        time.sleep(0.5)  # what thousands of rules take where the machine has other work
        return bool(original(self, *given))

    monkeypatch.setattr(Protego, "can_fetch", slow)
    site.replies |= {"/robots.txt": answer(LEAVE.encode()), "/page": PAGE}
    longest: list[float] = []
    while min(longest, default=1) > 0.25 and len(longest) < ATTEMPTS:  # a pause of the machine meets one of them
        said, pause = await with_pauses(partial(code, polite, site, "/page"))
        assert said == "ok"
        longest.append(pause)
    assert min(longest) <= 0.25


def test_thousands_of_names_with_thousands_of_rules_cost_no_product() -> None:
    names = "".join(f"User-agent: bot{number}\n" for number in range(10_000))

    def may() -> bool:
        rules, _ = _parsed(names + "Disallow: /*a*a*a*b$\n" * 10_000, "astro-mcp")
        return rules.can_fetch("https://site.example/" + "a" * 4000, "astro-mcp")

    assert computed(5, may)
