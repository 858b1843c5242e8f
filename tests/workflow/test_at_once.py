"""A run with little in it is advanced on the event loop; whatever may take time is handed to a thread."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.house import house

from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.workflow import loop
from astro_mcp.workflow.drivers.sqlite import active
from astro_mcp.workflow.drivers.sqlite.active import at_once

SMALL = {"id": "s0", "tool": "toy_add", "with": {"number": 0}}
LITERAL = [
    SMALL,
    *({"id": f"s{n}", "tool": "toy_add", "with": {"number": f"${{{{ steps.s{n - 1}.number }}}}"}} for n in range(1, 9)),
]
COMPUTED = [
    SMALL,
    *(
        {"id": f"s{n}", "tool": "toy_add", "with": {"number": f"${{{{ steps.s{n - 1}.number + 0 }}}}"}}
        for n in range(1, 9)
    ),
]
LARGE = [
    {"id": "list", "tool": "toy_list", "with": {"count": 100, "size": 10_000}},
    *({**step, "needs": "list"} for step in LITERAL),
]


@pytest.mark.parametrize(
    ("steps", "count"), [(LITERAL, 9), (COMPUTED, 1), (LARGE, 0)], ids=["plain", "computed", "large"]
)
async def test_only_plain_references_to_little_are_followed_on_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[Any], count: int
) -> None:
    seen: list[bool] = []

    def watched(*given: Any) -> Any:
        found = at_once(*given)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(loop, "at_once", watched)
    async with house(tmp_path) as at:
        done = await at.run({"steps": steps, "outputs": {"n": "${{ steps.s8.number }}"}})
        assert (done["status"], done["outputs"]) == ("succeeded", {"n": 9})
        assert sum(seen) == count, seen
        seen.clear()
        much = {"steps": steps, "description": "d" * 2_000, "inputs": {"given": {}}}
        again = await at.run(much, inputs=json.dumps({"given": "x" * 120_000}))
        assert again["status"] == "succeeded"
        assert not any(seen), "what a run was given counts"


FAN = {
    "steps": [
        {
            "id": "each",
            "foreach": list(range(60)),
            "max_parallel": 30,
            "tool": "toy_add",
            "with": {"number": "${{ item }}"},
        }
    ],
    "outputs": {"all": "${{ steps.each }}"},
}


@pytest.mark.parametrize(("seconds", "on_the_loop"), [(60.0, True), (0.0, False)], ids=["brief", "too long"])
async def test_many_events_of_a_run_are_taken_on_the_loop_until_that_took_too_long_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, on_the_loop: bool
) -> None:
    sizes: list[tuple[int, bool]] = []

    def watched(batch: Any, *given: Any) -> Any:
        found = at_once(batch, *given)
        sizes.append((sum(map(len, batch.values())), found is not None))
        return found

    monkeypatch.setattr(loop, "at_once", watched)
    monkeypatch.setattr(active, "TURN", seconds)
    wide = WorkflowSettings(parallel=30, parallel_per_run=30)
    async with house(tmp_path, settings=wide) as at:
        done = await at.run(FAN)
        assert (done["status"], [one["number"] for one in done["outputs"]["all"]]) == ("succeeded", [*range(1, 61)])
    many = [taken for size, taken in sizes if size > active.FEW]
    assert many, sizes
    assert all(many) if on_the_loop else not any(many)


TEXT = "${{ inputs.given }}" * 40
MUCH = {
    "id": "all",
    "needs": "s0",
    "foreach": [0] * 64,
    "max_parallel": 64,
    "tool": "toy_add",
    "with": {"number": TEXT},
}
INNER = {"name": "inner", "version": "1.0.0", "inputs": {"given": {}}, "steps": [SMALL, MUCH]}
OUTER = {"id": "outer", "workflow": "inner", "with": {"given": "${{ inputs.given }}"}}
HOSTILE: dict[str, dict[str, Any]] = {
    "plain": {"steps": [SMALL, MUCH]},
    "escaped": {"steps": [SMALL, MUCH]},
    "inside": {"steps": [OUTER], "workflows": {"inner": INNER}},
}


@pytest.mark.parametrize("how", HOSTILE)
async def test_one_event_that_begins_many_calls_of_much_text_is_handed_to_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A hostile document held the loop up for a second so: 64 calls, each with megabytes made of one input."""
    pauses: list[float] = []

    def watched(*given: Any) -> Any:
        began = time.thread_time()
        found = at_once(*given)
        pauses.append(time.thread_time() - began)
        return found

    monkeypatch.setattr(loop, "at_once", watched)
    document = json.dumps({**HOSTILE[how], "inputs": {"given": {}}})
    if how == "escaped":
        document = document.replace("$", "\\u0024")
    wide = WorkflowSettings(parallel=64, parallel_per_run=64, parallel_per_tenant=64)
    async with house(tmp_path, settings=wide) as at:
        done = await at.run(document, inputs=json.dumps({"given": "x" * 50_000}))
        assert done["status"] == "succeeded", done
    assert len(pauses) > 2
    assert max(pauses) < 0.05, pauses
