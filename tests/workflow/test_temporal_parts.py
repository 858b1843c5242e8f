"""The parts of the Temporal driver that need no server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.service import TLSConfig

from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError, ExpressionLimit, Internal, InvalidInput, Unavailable
from astro_mcp.run_settings import TemporalSettings
from astro_mcp.workflow.document.read import parse
from astro_mcp.workflow.drivers.temporal import naming, packing
from astro_mcp.workflow.drivers.temporal.claims import BOUND, TOGETHER, Claims
from astro_mcp.workflow.drivers.temporal.connection import tls
from astro_mcp.workflow.drivers.temporal.foresight import Foresight
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.machine import step
from astro_mcp.workflow.kernel.state import LOST, READY, RUNNING, RunState

LARGE = Payload(metadata={"encoding": b"json/plain"}, data=b"x" * BOUND)


async def test_a_large_payload_travels_as_its_sha256_and_a_small_one_as_it_is(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    assert BOUND == 262_144, "256 KB, as docs/temporal.md says"
    small = Payload(metadata={"encoding": b"json/plain"}, data=b"x" * 200_000)
    sent = await claims.encode([small, LARGE])
    assert sent[0] == small
    assert len(sent[1].data) == 64
    assert await claims.encode([LARGE]) == [sent[1]], "the same content has the same address"
    assert await Claims(tmp_path).decode(sent) == [small, LARGE]


async def test_as_many_payloads_as_a_run_begins_at_once_stay_below_what_a_server_takes(tmp_path: Path) -> None:
    payload = Payload(data=b"x" * (TOGETHER // 64))
    [sent] = await Claims(tmp_path, 64).encode([payload])
    assert sent.data != payload.data


async def test_a_payload_that_is_missing_or_another_is_an_error(tmp_path: Path) -> None:
    [sent] = await Claims(tmp_path).encode([LARGE])
    with pytest.raises(Unavailable, match="not on this machine"):
        await Claims(tmp_path / "elsewhere").decode([sent])
    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    file.write_bytes(b"another")
    with pytest.raises(Internal, match="damaged"):
        await Claims(tmp_path).decode([sent])
    with pytest.raises(Internal):
        await Claims(tmp_path).decode([Payload(metadata=sent.metadata, data=b"../" * 21 + b"x")])


async def test_a_sweep_takes_what_nobody_put_lately(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    await claims.encode([LARGE])
    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    os.utime(file, (1000, 1000))
    assert await claims.sweep(1000) == 0
    await claims.encode([LARGE])
    assert await claims.sweep(2000) == 0, "what was put again is new"
    os.utime(file, (1000, 1000))
    assert await claims.sweep(2000) == 1
    assert not file.exists()


def test_expressions_are_asked_for_at_once_and_known_values_decide() -> None:
    spec = """{"steps": [
        {"id": "a", "if": "1 + 1 == 2", "tool": "x", "with": {"n": "${{ 2 + 3 }}", "m": "${{ 4 + 5 }}"}},
        {"id": "b", "if": "1 + 2 == 3", "tool": "x"}]}"""
    plan, state, foresight = parse(spec), RunState("run_1", {}, 0.0, 4), Foresight()
    rounds = []
    while True:
        advance = step(plan, state, e.Began(now=1.0, slots=4), foresight.evaluate)
        if not foresight.missing:
            break
        rounds.append([one["source"] for one in foresight.asked()])
        foresight.learn([{"value": _given(one["source"])} for one in foresight.asked()])
    assert rounds == [["1 + 1 == 2", "1 + 2 == 3"], ["2 + 3"], ["4 + 5"]]
    starts = [command for command in advance.commands if isinstance(command, e.Start)]
    assert {one.path: one.arguments for one in starts} == {"a": {"n": 5, "m": 9}, "b": {}}
    assert state.steps == {}, "what was thrown away left nothing behind"


def _given(source: str) -> Any:
    return {"1 + 1 == 2": True, "1 + 2 == 3": True, "2 + 3": 5, "4 + 5": 9}[source]


@pytest.mark.parametrize("error", [InvalidInput("no", "hint"), ExpressionLimit("too much")])
def test_what_an_expression_failed_with_is_learned_as_well(error: AstroError) -> None:
    foresight = Foresight()
    with pytest.raises(InvalidInput):
        foresight.evaluate("x", {"b": 1, "a": 2})
    foresight.learn([{"error": error.as_dict()}])
    with pytest.raises(type(error)) as told:
        foresight.evaluate("x", {"a": 2, "b": 1})
    assert told.value.as_dict() == error.as_dict()


def test_a_process_may_die_under_one_call_alone() -> None:
    plan = parse('{"steps": [{"id": "a", "tool": "r"}, {"id": "b", "tool": "w"}, {"id": "c", "tool": "w"}]}')
    state = step(plan, RunState("run_1", {}, 0.0, 4), e.Began(now=1.0, slots=4), _nothing).state
    assert {state.steps[path].status for path in "abc"} == {RUNNING}
    again = frozenset({"r"})
    after = step(plan, state, e.Recovered(now=2.0, path="b", repeatable=again), _nothing).state
    assert [after.steps[path].status for path in "abc"] == [RUNNING, LOST, RUNNING]
    after = step(plan, after, e.Recovered(now=2.0, path="a", repeatable=again), _nothing).state
    assert (after.steps["a"].status, after.steps["a"].attempt, after.running) == (READY, 0, 1)
    assert step(plan, after, e.Recovered(now=2.0, path="x", repeatable=again), _nothing).state.steps == after.steps


def _nothing(source: str, data: Mapping[str, Any]) -> Any:
    raise AssertionError


def test_names_on_the_server_hold_no_user_and_no_query() -> None:
    scope = Scope("ann@example.org", "k" * 32)
    assert "ann" not in naming.workflow_id("p", scope, "run_1")
    assert naming.workflow_id("p", scope, "run_1") != naming.workflow_id("p", Scope("other", "k" * 32), "run_1")
    assert naming.sound("run_01ab")
    assert not any(naming.sound(text) for text in ("x' OR 1", "a.b", "ü", "x\n", "%"))


@pytest.mark.parametrize("body", [{"kind": "Finished", "path": "a", "attempt": 1}, {"kind": "Paused", "x": 1}, {}])
def test_what_is_no_event_from_outside_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        packing.unpacked_event({"now": 0.0, **body})


def test_a_state_is_packed_whole_and_in_its_order() -> None:
    plan = parse('{"steps": [{"id": "b", "tool": "r"}, {"id": "a", "tool": "w"}]}')
    state = step(plan, RunState("run_1", {"x": "\ud800"}, 0.0, 1), e.Began(now=1.0, slots=1), _nothing).state
    again = packing.unpacked_state(packing.packed_state(state))
    assert again == state
    assert list(again.steps) == list(state.steps)
    with pytest.raises(Unavailable):
        packing.unpacked_state({**packing.packed_state(state), "version": 99})


def test_a_server_elsewhere_is_spoken_to_with_tls_or_because_the_operator_says_so(tmp_path: Path) -> None:
    elsewhere = "temporal.example.org:7233"
    assert tls(TemporalSettings(address="127.0.0.1:7233")) is False
    assert tls(TemporalSettings(address="localhost:7233")) is False
    assert tls(TemporalSettings(address=elsewhere)) == TLSConfig()
    assert tls(TemporalSettings(address=elsewhere, plaintext=True)) is False
    assert tls(TemporalSettings(address="127.0.0.1:7233", api_key="k")) == TLSConfig()
    with pytest.raises(InvalidInput):
        tls(TemporalSettings(address=elsewhere, plaintext=True, api_key="k"))
    with pytest.raises(InvalidInput, match="nowhere"):
        tls(TemporalSettings(address=elsewhere, server_ca=tmp_path / "nowhere.pem"))
    with pytest.raises(ValueError, match="go together"):
        TemporalSettings(client_cert=tmp_path)
