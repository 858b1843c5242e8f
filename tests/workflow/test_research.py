"""The template research-and-report, against a search engine and pages on loopback; the test is the host's model."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.net.web_site import Loopback, Names, Reply, Site, answer, serving

from astro_mcp.net import client
from astro_mcp.testing import Workbench, workbench

QUESTION = "How many frames does a checkpoint move?"
PAGES = {
    "/manual": "<h1>Manual</h1><p>A checkpoint moves every frame that no reader needs, at most 1,000 frames.</p>",
    "/blog": "<h1>Blog | mine</h1><p>A checkpoint moves 500 frames, I counted.</p><p>Say ${{ inputs.file }}</p>",
    "/gone": "",
}


class Web(dict[str, Reply]):
    """An engine that finds the pages in another order for each query, and the pages."""

    port = 0

    def __getitem__(self, path: str) -> Reply:
        parts = urlsplit(path)
        if parts.path == "/search":
            [query] = parse_qs(parts.query)["q"]
            order = ["/gone", "/manual"] if "frames" in query else ["/manual", "/blog"]
            found = [{"url": f"http://site.example:{self.port}{page}", "title": page} for page in order]
            return answer(json.dumps({"results": found}).encode(), content_type="application/json")
        body = PAGES.get(parts.path, "").encode()
        return answer(body, content_type="text/html") if body else answer(b"", "404 Not Found")


class AnyPath(dict[str, Reply]):
    """Nothing is found, whatever is asked for."""

    def __getitem__(self, path: str) -> Reply:
        return answer(b'{"results": []}', content_type="application/json")


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages come from this machine: the internet is nobody's test."""
    guarded = functools.partial(client.GuardedClient, resolve=Names(), policy=Loopback())
    monkeypatch.setattr(client, "GuardedClient", guarded)


@asynccontextmanager
async def found() -> AsyncIterator[tuple[Site, dict[str, str]]]:
    """The engine and the pages, and the environment of a house that asks them."""
    async with serving() as site:
        web = Web()
        web.port, site.replies = site.port, web
        yield (
            site,
            {
                "ASTRO_MCP_SEARCH__SEARXNG__BASE_URL": f"http://127.0.0.1:{site.port}",
                "ASTRO_MCP_SEARCH__SEARXNG__ALLOW_PRIVATE": "true",
                "ASTRO_MCP_SEARCH__DDGS__ENABLED": "false",
            },
        )


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Workbench, Site]]:
    project = folder / "project"
    project.mkdir()
    async with (
        found() as (site, environment),
        workbench(folder / "data", roots=[project], environment=environment) as bench,
    ):
        yield bench, site


async def begin(bench: Workbench, **inputs: Any) -> Any:
    return await bench.value(
        "workflow_run",
        template="research-and-report",
        inputs=json.dumps({"question": QUESTION, **inputs}),
        allow=["read", "network", "write", "destroy"],
        wait_seconds=60,
    )


async def told(bench: Workbench, run: Any, step: str, **value: Any) -> Any:
    [asked] = run.waiting_for
    assert asked.step == step, asked
    await bench.value("workflow_answer", run_id=run.run_id, step=step, value=json.dumps(value))
    return await bench.value("workflow_status", run_id=run.run_id, wait_seconds=60)


def shown(run: Any) -> Any:
    assert run.waiting_for, run.text()
    return json.loads(run.waiting_for[0].shown)


async def test_the_report_has_what_stands_in_the_pages_at_its_places_and_names_what_does_not(tmp_path: Path) -> None:
    async with house(tmp_path) as (bench, _):
        run = await begin(bench)
        run = await told(bench, run, "words", queries=["wal checkpoint", "checkpoint frames", "wal checkpoint"])
        passages = {passage["text"]: passage for passage in shown(run)["passages"]}
        manual = next(one for text, one in passages.items() if "at most" in text)
        blog = next(one for text, one in passages.items() if "I counted" in text)
        assert manual["page"] == "1", "both queries found it"
        claims: list[Any] = [
            {"claim": "At most 1,000.", "passage": manual["id"], "quote": "at most 1,000 frames"},
            {"claim": "It is 500.", "passage": blog["id"], "quote": "a checkpoint moves 500"},
            {"claim": "It is fast.", "passage": "9.0", "quote": "it is very fast"},
            "no claim",
        ]
        apart = {"about": "How many:\n1,000 or 500", "passages": [manual["id"], blog["id"], "7.7"]}
        run = await told(bench, run, "draft", claims=claims, disagreements=[apart], open=["Why?"])
        assert [claim["claim"] for claim in shown(run)["claims"]] == ["It is 500.", "It is fast.", "no claim"]
        mended = {"claim": "It is 500.", "passage": blog["id"], "quote": "A checkpoint moves 500 frames"}
        run = await told(bench, run, "mend", claims=[mended, {**claims[2], "passage": blog["id"]}])
        assert run.status == "succeeded", run
        out = json.loads(run.outputs) if isinstance(run.outputs, str) else run.outputs
        assert out["left_out"] == ["It is fast.", "no claim"]

        report = (tmp_path / "project/RESEARCH.md").read_text()
        assert report.startswith(f"# {QUESTION}\n\n- At most 1,000. [1]\n- It is 500. [")
        assert f"- How many: 1,000 or 500 [1][{blog['page']}]\n" in report
        assert "- Why?\n" in report
        assert "very fast" not in report
        assert "404" in report.partition("## Pages")[2], "a page that could not be read is named"
        quotes = re.findall(r"> (.+)\n\n\[(\d)\], (\d+) to (\d+)", report)
        assert len(quotes) == len(out["citations"]) == 2
        rows = re.findall(r"^\| (\d) \|.*\| (http\S+) \| (\w*) \|", report, re.MULTILINE)
        pages = {number: (url, sha256) for number, url, sha256 in rows}
        for quote, page, start, end in quotes:
            url, sha256 = pages[page]
            fetched: Any = await bench.value("web_fetch", url=url)
            assert fetched.markdown[int(start) : int(end)] == quote
            assert fetched.sha256 == sha256


async def test_without_a_quote_that_stands_there_is_no_report(tmp_path: Path) -> None:
    async with house(tmp_path) as (bench, _):
        run = await begin(bench, queries=["wal checkpoint"])
        claim = {"claim": "x", "passage": "1.0", "quote": "nobody has said this"}
        run = await told(bench, run, "draft", claims=[claim], disagreements=[], open=[])
        run = await told(bench, run, "mend", claims=[])
        assert run.status == "failed"
        assert "no claim has a quote that stands in a page" in run.error.message
        assert not (tmp_path / "project/RESEARCH.md").exists()


async def test_where_the_web_says_nothing_the_model_is_not_asked_for_an_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as (bench, site):
        site.replies = AnyPath()
        run = await begin(bench, queries=["wal checkpoint"])
        assert run.status == "failed"
        assert "nothing was found" in run.error.message


async def test_a_long_question_is_answered_too(tmp_path: Path) -> None:
    async with house(tmp_path) as (bench, _):
        run = await begin(bench, question=f"{QUESTION} {'And how do they know? ' * 30}", queries=["wal checkpoint"])
        assert [passage["page"] for passage in shown(run)["passages"]] == ["1", "2"]


class Down(dict[str, Reply]):
    """Paths that begin so are broken."""

    def __init__(self, replies: dict[str, Reply], broken: str) -> None:
        self.replies, self.broken = replies, broken

    def __getitem__(self, path: str) -> Reply:
        return answer(b"", "500 Broken") if path.startswith(self.broken) else self.replies[path]


@pytest.mark.parametrize(
    ("broken", "told"),
    [("/search", "no search was answered; no search provider answered"), ("/manual", "no page could be read; ")],
)
async def test_what_failed_is_told_and_not_taken_for_a_web_that_says_nothing(
    tmp_path: Path, broken: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(PAGES, "/blog")
    async with house(tmp_path) as (bench, site):
        site.replies = Down(site.replies, broken)
        run = await begin(bench, queries=["wal checkpoint"])
        assert run.status == "failed"
        assert told in run.error.message
