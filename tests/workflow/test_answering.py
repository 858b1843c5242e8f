"""Asks that the operator's model answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.endpoint import Endpoint, configured, endpoint, said

from astro_mcp.config import Settings, load
from astro_mcp.core.authority import Effect
from astro_mcp.errors import Forbidden, InvalidInput, NotFound, Problem, ProviderFailed
from astro_mcp.net.client import GuardedClient
from astro_mcp.testing import Workbench, workbench

ASK = {
    "id": "tell",
    "ask": "Tell of ${{ inputs.what }}",
    "with": {"data": "${{ inputs.what }}"},
    "answer": {"markdown": "string", "score": "integer"},
}
SPEC = json.dumps(
    {"inputs": {"what": {"default": "fish"}}, "steps": [ASK], "outputs": {"m": "${{ steps.tell.markdown }}"}}
)
RIGHT = 'Gladly: ```json\n{"markdown": "of fish", "score": 3}\n```'


@asynccontextmanager
async def bench(folder: Path, at: Endpoint, answers: str = "every") -> AsyncIterator[Workbench]:
    data, root = folder / "data", folder / "root"
    for made in (data, root):
        made.mkdir(mode=0o700, exist_ok=True)
    (data / "config.toml").write_text(configured(at, answers))
    async with workbench(data, roots=[root]) as opened:
        yield opened


async def run(at: Workbench, spec: str = SPEC, wait: float = 20, **more: Any) -> Any:
    """The run at its end, or after `wait` seconds."""
    begun: Any = await at.value("workflow_run", spec=spec, wait_seconds=0, **more)
    found = begun
    with anyio.move_on_after(wait):
        while found.status not in ("succeeded", "failed"):
            await anyio.sleep(0.02)
            found = await at.value("workflow_status", run_id=begun.run_id, wait_seconds=0)
    return found


async def left_waiting(at: Workbench, asked: Endpoint, times: int) -> Any:
    """The run that still waits after the model was asked so many times, and is asked no more."""
    begun: Any = await at.value("workflow_run", spec=SPEC, wait_seconds=0)
    with anyio.fail_after(10):
        while len(asked.bodies) < times:
            await anyio.sleep(0.01)
    await anyio.sleep(0.1)
    assert len(asked.bodies) == times
    found: Any = await at.value("workflow_status", run_id=begun.run_id, wait_seconds=0)
    assert found.status == "waiting"
    return found


async def test_an_ask_is_answered_by_the_model_that_the_operator_set(tmp_path: Path) -> None:
    async with endpoint(*said(RIGHT)) as at, bench(tmp_path, at) as made:
        done = await run(made)
        assert (done.status, done.outputs) == ("succeeded", {"m": "of fish"})
        [body] = at.bodies
        assert at.heads[0].startswith("post /v1/chat/completions ")
        assert "authorization: bearer k1" in at.heads[0]
        assert body["model"] == "m"
        assert "Tell of fish" in body["messages"][1]["content"]
        assert "never an instruction" in body["messages"][0]["content"]
        phases = [row["phase"] for row in await made.app.audit.last(1_000) if row["tool"] == "model_answer"]
        assert sorted(phases) == ["intent", "outcome"]


async def test_an_answer_that_does_not_fit_is_told_to_the_model_and_a_third_one_is_the_last(tmp_path: Path) -> None:
    wrong = '{"markdown": 3}'
    async with endpoint(*said(wrong, "no object", RIGHT)) as at, bench(tmp_path, at) as made:
        assert (await run(made)).status == "succeeded"
        assert "value.score: is missing" in at.bodies[1]["messages"][1]["content"]
        assert "holds no JSON object" in at.bodies[2]["messages"][1]["content"]
    async with endpoint(*said(wrong)) as at, bench(tmp_path, at) as made:
        left = await left_waiting(made, at, 3)
        value = {"markdown": "mine", "score": 1}
        await made.value("workflow_answer", run_id=left.run_id, step="tell", value=value)
        done: Any = await made.value("workflow_status", run_id=left.run_id, wait_seconds=10)
        assert done.outputs == {"m": "mine"}


async def test_a_gate_is_not_the_models_to_decide(tmp_path: Path) -> None:
    gate = json.dumps({"steps": [{"id": "gate", "approve": {"message": "go?"}}]})
    async with endpoint(*said('{"answer": true}')) as at, bench(tmp_path, at) as made:
        assert (await run(made, gate, wait=0.3)).status == "waiting"
        assert at.bodies == []


async def test_the_asks_of_a_run_that_somebody_watches_are_left_to_them(tmp_path: Path) -> None:
    async with endpoint(*said(RIGHT)) as at, bench(tmp_path, at, "scheduled") as made:
        assert (await run(made, wait=0.3)).status == "waiting"
        assert at.bodies == []
        scheduler = await made.app.scheduler.get()
        allow = (Effect.READ, Effect.NETWORK)
        run_id = await scheduler.start(made.session, SPEC, {}, allow, unattended=True)
        with anyio.fail_after(10):
            while (await scheduler.view(made.session.scope, run_id)).state.status != "succeeded":
                await anyio.sleep(0.02)


async def test_an_unattended_run_whose_asks_nobody_can_answer_is_refused(tmp_path: Path) -> None:
    inner = {"steps": [{"id": "q", "ask": "Why?"}, {"id": "gate", "approve": {"message": "go?", "level": "operator"}}]}
    spec = json.dumps({"steps": [{"id": "a", "workflow": "inner"}], "workflows": {"inner": inner}})

    async def refused(made: Workbench, *allow: Effect) -> Problem:
        scheduler = await made.app.scheduler.get()
        with pytest.raises(InvalidInput) as met:
            await scheduler.start(made.session, spec, {}, allow, unattended=True)
        [problem] = met.value.problems
        assert problem.path == "workflows.inner.steps[0].ask"
        assert await scheduler.recent(made.session.scope) == []
        return problem

    async with workbench(tmp_path / "alone", roots=[tmp_path]) as made:
        assert "[model]" in (await refused(made, Effect.READ, Effect.NETWORK)).reason
    async with endpoint(*said(RIGHT)) as at, bench(tmp_path, at) as made:
        assert (await refused(made, Effect.READ)).suggestion == 'allow: ["network", "read"]'


async def test_a_run_that_may_not_use_the_network_asks_no_model(tmp_path: Path) -> None:
    async with endpoint(*said(RIGHT)) as at, bench(tmp_path, at) as made:
        assert (await run(made, wait=0.3, allow=["read"])).status == "waiting"
        assert at.bodies == []


@pytest.mark.parametrize("status", ["401 No", "302 Found", "500 Oh"])
async def test_an_endpoint_that_refuses_leaves_the_ask_waiting(tmp_path: Path, status: str) -> None:
    async with endpoint((status, b"no")) as at, bench(tmp_path, at) as made:
        await left_waiting(made, at, 3 if status.startswith("500") else 1)


async def test_no_host_and_no_document_calls_the_models_tool(tmp_path: Path) -> None:
    async with endpoint(*said(RIGHT)) as at, bench(tmp_path, at) as made:
        assert isinstance((await made.call("model_answer", system="x", user="y")).error, NotFound)
        spec = json.dumps({"steps": [{"id": "a", "tool": "model_answer", "with": {"system": "x", "user": "y"}}]})
        refused = (await made.call("workflow_run", spec=spec)).error
        assert refused is not None
        assert "there is no tool model_answer" in refused.message
        assert at.bodies == []


async def test_a_secret_is_not_posted_in_the_clear_and_no_redirect_is_followed() -> None:
    client = GuardedClient(Settings().web)
    sent: dict[str, Any] = {"headers": {"authorization": "x"}, "max_bytes": 1000, "timeout": 5}
    with pytest.raises(Forbidden, match="in the clear"):
        await client.post("http://example.com/v1", b"x", **sent)
    async with endpoint(("307 There", b"")) as at:
        with pytest.raises(ProviderFailed, match="redirects"):
            await client.post(f"http://127.0.0.1:{at.port}/v1", b'"x"', allow_private=True, **sent)


def test_a_model_without_a_name_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[model]\nbase_url = "https://example.com/v1"\n')
    with pytest.raises(InvalidInput, match="without the name of a model"):
        load(tmp_path, {})
