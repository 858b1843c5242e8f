"""Providers with keys: each is asked as its documentation says, and an answer of its documented form is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.abc
import pytest
from pydantic import ValidationError
from tests.agents.search.conftest import Ask, Build
from tests.net.web_site import Site, answer

from astro_mcp.agents.search import asking
from astro_mcp.agents.search.fusion import Hit, Query
from astro_mcp.agents.search.models import SearchOutput
from astro_mcp.config import SearchProvider
from astro_mcp.core.call import Result
from astro_mcp.errors import RateLimited
from astro_mcp.packs import Pack, SearchRequest

WAL = {"url": "https://docs.example/wal", "title": "WAL explained"}


@dataclass(frozen=True)
class Case:
    """What goes out for "sqlite wal" of the last week from docs.example, and an answer of one result."""

    path: str
    key: tuple[str, str]
    sent: dict[str, Any]
    answered: Any
    snippet: str = "How it works"
    published: str = ""
    get: bool = False
    absent: tuple[str, ...] = field(default=())


CASES = {
    "brave": Case(
        "/res/v1/web/search",
        ("x-subscription-token", "k1"),
        {"q": "sqlite wal site:docs.example", "count": "20", "freshness": "pw", "safesearch": "moderate"},
        {
            "type": "search",
            "query": {"original": "sqlite wal", "more_results_available": True},
            "web": {
                "type": "search",
                "results": [
                    {**WAL, "description": "How it works", "page_age": "2026-11-20T00:00:00", "age": "1 week ago"}
                ],
            },
        },
        published="2026-11-20T00:00:00",
        get=True,
        absent=("freshness",),
    ),
    "tavily": Case(
        "/search",
        ("authorization", "Bearer k1"),
        {
            "query": "sqlite wal",
            "max_results": 20,
            "time_range": "week",
            "include_domains": ["docs.example"],
            "search_depth": "basic",
        },
        {
            "query": "sqlite wal",
            "answer": None,
            "images": [],
            "results": [{**WAL, "content": "How it works", "score": 0.9, "raw_content": None}],
            "response_time": 1.1,
        },
        absent=("time_range", "include_domains"),
    ),
    "exa": Case(
        "/search",
        ("x-api-key", "k1"),
        {
            "query": "sqlite wal",
            "numResults": 30,
            "includeDomains": ["docs.example"],
            "type": "auto",
            "contents": {"highlights": True},
        },
        {
            "requestId": "r",
            "results": [
                {**WAL, "id": "1", "publishedDate": "2026-11-20T00:00:00.000Z", "highlights": ["How it works"]},
                "no result",
            ],
            "costDollars": {"total": 0.005},
        },
        published="2026-11-20T00:00:00.000Z",
        absent=("startPublishedDate", "includeDomains"),
    ),
    "serper": Case(
        "/search",
        ("x-api-key", "k1"),
        {"q": "sqlite wal site:docs.example", "num": 30, "tbs": "qdr:w"},
        {
            "searchParameters": {"q": "sqlite wal", "type": "search"},
            "organic": [
                {"title": WAL["title"], "link": WAL["url"], "snippet": "How it works", "date": "Nov 20", "position": 1}
            ],
            "credits": 1,
        },
        published="Nov 20",
        absent=("tbs",),
    ),
    "kagi": Case(
        "/api/v0/search",
        ("authorization", "Bot k1"),
        {"q": "sqlite wal site:docs.example", "limit": "30"},
        {
            "meta": {"id": "m", "ms": 231, "api_balance": 1.5},
            "data": [{"t": 0, **WAL, "snippet": "How it works"}, {"t": 1, "list": ["sqlite journal"]}],
        },
        get=True,
    ),
}


class Paths(dict[str, Any]):
    """Replies by path, whatever the query."""

    def __getitem__(self, path: str) -> Any:
        return super().__getitem__(urlsplit(path).path)


def own(site: Site, name: str, **more: Any) -> dict[str, SearchProvider]:
    others = {"ddgs": SearchProvider(enabled=False)}
    return others | {
        name: SearchProvider(base_url=f"http://127.0.0.1:{site.port}", key="k1", allow_private=True, **more)
    }


def output(result: Result) -> SearchOutput:
    value = result.unwrap()
    assert isinstance(value, SearchOutput)
    return value


def sent(site: Site, case: Case) -> dict[str, Any]:
    """The last request's parameters."""
    path = site.requests[-1][0]
    if case.get:
        return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    found: dict[str, Any] = json.loads(site.bodies[-1])
    return found


@pytest.mark.parametrize("name", CASES)
async def test_a_provider_is_asked_and_read_as_it_is_documented(build: Build, site: Site, name: str) -> None:
    case = CASES[name]
    site.replies = Paths({case.path: answer(json.dumps(case.answered).encode())})
    ask = await build(own(site, name))
    limited = {} if name == "kagi" else {"freshness": "week"}
    got = output(await ask("web_search", query="sqlite wal", include_domains=["docs.example"], **limited))
    assert [(item.url, item.title, item.snippet, item.published) for item in got.items] == [
        (WAL["url"], WAL["title"], case.snippet, case.published)
    ]
    path, headers = site.requests[-1]
    header, key = case.key
    assert urlsplit(path).path == case.path
    assert headers[header] == key
    assert "k1" not in path
    assert case.sent.items() <= sent(site, case).items()
    await ask("web_search", query="sqlite wal")
    assert not set(case.absent) & set(sent(site, case)), "what has nothing to say is left out"


async def test_exa_is_told_the_first_day_and_kagi_is_left_out_where_it_cant_limit_results(
    build: Build, site: Site
) -> None:
    site.replies = Paths({"/search": answer(json.dumps(CASES["exa"].answered).encode())})
    ask = await build(own(site, "exa") | own(site, "kagi"))
    got = output(await ask("web_search", query="sqlite wal", freshness="month"))
    assert len(sent(site, CASES["exa"])["startPublishedDate"]) == len("2026-11-20")
    assert [(error.provider, error.code) for error in got.provider_errors] == [("kagi", "unsupported")]
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(b"{}", "401 No"), "refuses the key"),
        (answer(b"", "429 Too Many Requests"), "too many requests"),
        (answer(b"", "500 Oh"), "status 500"),
        (answer(b"<html>"), "not JSON"),
        (answer(b"[" * 100_000), "not JSON"),
        (answer(b'{"web": {"results": {"a": 1}}}'), "no list of results"),
        (answer(b'["web"]'), "something else than results"),
        (answer(b'{"web": null, "error": [{"msg": "no credit"}]}'), "with an error"),
    ],
)
async def test_a_provider_that_fails_is_told_and_its_key_is_not(
    build: Build, site: Site, reply: bytes, code: str
) -> None:
    site.replies = Paths({"/res/v1/web/search": reply})
    error = (await (await build(own(site, "brave")))("web_search", query="x")).error
    assert error is not None
    assert code in error.message
    assert "k1" not in str(error.as_dict())


async def test_without_a_key_nobody_is_asked(build: Build, site: Site) -> None:
    settings = own(site, "brave")
    ask = await build(settings | {"brave": settings["brave"].model_copy(update={"key": ""})})
    error = (await ask("web_search", query="x")).error
    assert error is not None
    assert "no search provider is configured" in error.message
    assert site.requests == []


async def searched(ask: Ask, query: str, **more: Any) -> SearchOutput:
    return output(await ask("web_search", query=query, **more))


async def test_an_answer_is_remembered_for_the_time_that_it_is_fresh(
    build: Build, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.replies = Paths({"/search": answer(json.dumps(CASES["tavily"].answered).encode())})
    ask = await build(own(site, "tavily"))
    first, again = await searched(ask, "sqlite wal"), await searched(ask, "sqlite wal")
    assert first == again
    assert len(site.requests) == 1
    await searched(ask, "sqlite wal", freshness="day")
    assert len(site.requests) == 2
    now = anyio.current_time()
    monkeypatch.setattr(anyio, "current_time", lambda: now + 301)
    await searched(ask, "sqlite wal", freshness="day")
    assert len(site.requests) == 3
    await searched(ask, "sqlite wal")
    assert len(site.requests) == 3


async def test_a_tenants_budget_is_of_what_goes_out_and_tells_when_there_is_more(build: Build, site: Site) -> None:
    site.replies = Paths({"/search": answer(json.dumps(CASES["tavily"].answered).encode())})
    ask = await build(own(site, "tavily"), hourly=2)
    for query in ("a", "b", "a", "b"):
        await searched(ask, query)
    error = (await ask("web_search", query="c")).error
    assert error is not None
    assert error.code == "rate_limited"
    assert 3_500_000 < (error.retry_after_ms or 0) <= 3_600_000
    assert len(site.requests) == 2
    assert (await searched(ask, "a")).total == 1


async def test_what_is_remembered_is_given_where_the_budget_is_spent_and_another_provider_fails(
    build: Build, site: Site
) -> None:
    site.replies = Paths(
        {"/search": answer(json.dumps(CASES["tavily"].answered).encode()), "/api/v0/search": answer(b"", "500 Oh")}
    )
    ask = await build(own(site, "tavily") | own(site, "kagi"), hourly=1)
    assert [error.code for error in (await searched(ask, "a")).provider_errors] == ["provider_failed"]
    again = await searched(ask, "a")
    assert again.total == 1
    assert [(error.provider, error.code) for error in again.provider_errors] == [("kagi", "rate_limited")]
    assert len(site.requests) == 2


async def test_what_is_remembered_is_no_larger_than_what_is_shown() -> None:
    class Wordy:
        async def search(self, query: Query) -> list[Hit]:
            return [Hit(WAL["url"], "title " * 10_000, "word " * 100_000), Hit("x" * 100_000, "", "")]

    lists, _ = await asking.Asking({"one": Wordy()}, 1).ask("here", Query("a", 5, "any", "a"))
    assert [len(hit.snippet) <= 1_001 and len(hit.title) <= 301 for hit in lists["one"]] == [True]


async def test_one_tenants_budget_and_answers_are_not_anothers() -> None:
    class Counting:
        asked = 0

        async def search(self, query: Query) -> list[Hit]:
            self.asked += 1
            return [Hit(WAL["url"], WAL["title"], "")]

    provider = Counting()
    many = asking.Asking({"one": provider}, 1)
    query, other = Query("a", 5, "any", "a"), Query("b", 5, "any", "b")
    await many.ask("here", query)
    with pytest.raises(RateLimited):
        await many.ask("here", other)
    await many.ask("there", query)
    assert provider.asked == 2, "what one tenant asked before is not told to another by a faster answer"
    with pytest.raises(RateLimited):
        await many.ask("there", other)


async def test_whoever_is_slow_is_not_waited_for_once_another_has_found_something(
    build: Build, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.2)

    async def silent(stream: anyio.abc.ByteStream) -> None:
        await anyio.sleep(30)

    site.replies = Paths({"/search": answer(json.dumps(CASES["tavily"].answered).encode()), "/api/v0/search": silent})
    ask = await build(own(site, "tavily") | own(site, "kagi"))
    with anyio.fail_after(5):
        got = await searched(ask, "sqlite wal")
    assert [item.url for item in got.items] == [WAL["url"]]
    assert [(error.provider, error.code) for error in got.provider_errors] == [("kagi", "timeout")]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"parameters": {"q": "{query}", "key": "{key}"}}, "belongs to headers"),
        ({"headers": {}}, "no header has the"),
        ({"parameters": {"q": "x"}}, "no parameter is the"),
        ({"path": "//evil.example/"}, "path"),
        ({"path": "/search?key={key}"}, "path"),
    ],
)
def test_a_manifest_that_would_lose_the_key_or_the_query_is_refused(part: dict[str, Any], told: str) -> None:
    right = {"method": "GET", "path": "/s", "headers": {"k": "{key}"}, "parameters": {"q": "{query}"}}
    SearchRequest.model_validate(right)
    with pytest.raises(ValidationError, match=told):
        SearchRequest.model_validate(right | part)


async def test_a_query_that_says_a_placeholder_is_sent_as_it_is(build: Build, site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "tools" / "search"
    folder.mkdir(parents=True)
    (tmp_path / "own" / "resources").mkdir()
    source = (Pack.find().root / "tools" / "search" / "tavily.tool.toml").read_text()
    own_words = source.replace('query = "{query}"', 'query = "{query}"\ntopic = "about {query} and {other}"')
    (folder / "tavily.tool.toml").write_text(own_words)
    site.replies = Paths({"/search": answer(json.dumps(CASES["tavily"].answered).encode())})
    ask = await build({"tavily": own(site, "tavily")["tavily"]}, pack=Pack(tmp_path / "own"))
    await searched(ask, "what does {key} stand for")
    assert b"about what does {key} stand for and {other}" in site.bodies[-1]
    assert b"k1" not in site.bodies[-1]


def test_every_provider_with_a_key_speaks_https_to_an_address_of_its_own(tmp_path: Path) -> None:
    found = {manifest.name: manifest for manifest in Pack.find().manifests("search") if manifest.driver == "json"}
    assert set(found) == set(CASES)
    assert all(manifest.base_url.startswith("https://") for manifest in found.values())
