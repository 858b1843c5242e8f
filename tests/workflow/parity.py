"""One document on two drivers: driven to its end alike, and what is left of it without times."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import anyio
from tests.workflow.house import House
from tests.workflow.random_documents import PART, Dice

from astro_mcp.core.authority import Effect
from astro_mcp.core.call import silent
from astro_mcp.workflow.kernel.state import LOST, WAITING, RunState

TIMES = frozenset({"created", "started", "ended", "deadline", "after", "wake", "wakes"})


def templates(folder: Path) -> Path:
    """A folder with what the documents run as workflows."""
    made = folder / "templates"
    made.mkdir()
    (made / "part.yaml").write_text(json.dumps(PART))
    return made


def documents(first: int, *, retries: bool) -> Any:
    """Documents by chance, each with its seed, without end."""
    seed = first
    while True:
        yield seed, Dice(seed, retries=retries).document()
        seed += 1


async def journal(at: House, spec: dict[str, Any], run_id: str, *, strict: bool) -> Any:
    """Run it, answer what it asks by what it is, and give what is left of it. `strict`: in its whole order."""
    me, text = at.me, json.dumps(spec)
    assert await at.scheduler.start(me, text, {}, list(Effect), run_id=run_id) == run_id
    while True:
        await at.scheduler.wait(me.scope, run_id, 60, silent)
        view = await at.scheduler.view(me.scope, run_id)
        state = view.state
        if state.over:
            break
        waiting = [path for path, step in state.steps.items() if step.status in (WAITING, LOST)]
        for path in sorted(waiting)[:1]:
            await at.scheduler.answer(me, run_id, path, answer(path, state))
    happened = [one for one in await at.scheduler.happened(me.scope, run_id) if one.kind != "tick"]
    events: Any = [[one.kind, one.path, plain(one.body)] for one in happened]
    if not strict:
        by_path: dict[str, list[Any]] = defaultdict(list)
        for kind, path, body in events:
            by_path[path].append([kind, body])
        events = dict(by_path)
    return {"state": left(state, strict=strict), "events": events, "labels": sorted(view.labels)}


async def checks(at: House, spec: dict[str, Any]) -> bool:
    return not (await at.scheduler.check(json.dumps(spec), frozenset(Effect))).problems


def answer(path: str, state: RunState) -> Any:
    if (state.steps[path].request or {}).get("kind") == "approve":
        return hashlib.sha256(path.encode()).digest()[0] % 4 > 0
    return {"text_": f"of {path}"}


def plain(body: Any) -> Any:
    return {name: value for name, value in body.items() if name != "slots"}


def left(state: RunState, *, strict: bool) -> Any:
    """All of a state but its times; where its order is not given, no places in it, and of a body no first error."""
    order = frozenset() if strict else frozenset({"position", "positions"})
    head = {name: value for name, value in dataclasses.asdict(state).items() if name not in TIMES | order}
    head["steps"] = {
        path: {name: value for name, value in dataclasses.asdict(step).items() if name not in TIMES | order}
        for path, step in state.steps.items()
    }
    if not strict:
        for body in [head, *(step for step in head["steps"].values() if not step["attempt"])]:
            body["error"] = body["error"] is not None
    return json.loads(json.dumps(head, sort_keys=not strict))


async def both(one: House, other: House, spec: dict[str, Any], run_id: str, *, strict: bool) -> tuple[Any, Any]:
    """The journals of the two, which run it at the same time."""
    found: dict[int, Any] = {}

    async def on(number: int, at: House) -> None:
        found[number] = await journal(at, spec, run_id, strict=strict)

    async with anyio.create_task_group() as group:
        group.start_soon(on, 0, one)
        group.start_soon(on, 1, other)
    return found[0], found[1]
