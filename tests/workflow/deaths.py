"""Lives of a scheduler, each in a process of its own that kills itself at one point; run as a child.

Reads one JSON line a life, forks, and answers with the exit status: 0 where it came to its end, -9 where it died. What
is imported once need not be imported in each.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from tests.workflow.house import House, Toys, house

from astro_mcp.core.authority import Session
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database
from astro_mcp.workflow.effects import Effects, Outcome
from astro_mcp.workflow.kernel.events import Start

INNER: dict[str, Any] = {
    "inputs": {"text": {}},
    "steps": [
        {"id": "said", "tool": "toy_say", "with": {"text": "${{ inputs.text }}"}},
        {"id": "wrote", "needs": "said", "tool": "toy_write", "with": {"text": "inner"}},
    ],
    "outputs": {"text": "${{ steps.said.text_ }}"},
}
SPEC: dict[str, Any] = {
    "name": "deaths",
    "steps": [
        {"id": "a", "tool": "toy_write", "with": {"text": "a"}},
        {"id": "sub", "needs": "a", "workflow": "inner", "with": {"text": "${{ steps.a.text_ }}"}},
        {
            "id": "bad",
            "tool": "toy_flaky",
            "continue-on-error": True,
            "on_failure": [{"id": "undo", "tool": "toy_write", "with": {"text": "undo"}}],
        },
        {
            "id": "each",
            "needs": "a",
            "foreach": ["x", "y"],
            "max_parallel": 1,
            "do": [{"id": "w", "tool": "toy_write", "with": {"text": "${{ item }}"}}],
        },
        {"id": "q", "ask": "well?"},
        {"id": "c", "needs": ["each", "sub", "q"], "tool": "toy_write", "with": {"text": "c"}},
    ],
    "workflows": {"inner": INNER},
    "outputs": {"c": "${{ steps.c.text_ }}", "sub": "${{ steps.sub.text }}", "q": "${{ steps.q.answer }}"},
}
WRITES = {"a": 1, "inner": 1, "x": 1, "y": 1, "undo": 2, "c": 2}
"""How often each is written in all: a fork that begins at `c` does that again, and what failed with its on_failure."""
TELLS = {"a": "a", "sub.wrote": "inner", "bad_on_failure.undo": "undo", "each.0.w": "x", "each.1.w": "y", "c": "c"}


@dataclass
class Point:
    """Where to die: at the nth time of a kind, `before`, `inside` or `after`. Kinds are the journal's transactions
    (create, save, fail, restore, purge) and `effect`."""

    kind: str = ""
    number: int = 0
    where: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def reached(self, kind: str) -> str:
        """Where to die this time, or nothing."""
        self.seen[kind] += 1
        return self.where if (kind, self.seen[kind]) == (self.kind, self.number) else ""


point = Point()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(Database):
    """A store that takes its process down at a transaction of the journal."""

    async def write(self, work: Any) -> Any:
        owner, _, rest = getattr(work, "__qualname__", "").partition(".")
        where = point.reached(rest.partition(".")[0]) if owner == "Journal" else ""
        if where == "before":
            die()
        if where != "inside":
            value = await super().write(work)
            if where == "after":
                die()
            return value

        def fatal(tx: Transaction) -> None:
            work(tx)
            die()

        return await super().write(fatal)


class Doomed(Toys):
    """Tools of which one takes its process down when its effect has happened."""

    inside = False

    def _note(self, what: str) -> None:
        super()._note(what)
        if self.inside:
            die()


async def carry_out(
    effects: Effects, run_id: str, session: Session, command: Start, lent: anyio.CancelScope | None = None
) -> Outcome:
    where = point.reached("effect")
    if where == "before":
        die()
    Doomed.inside = where == "inside"
    outcome = await CARRY_OUT(effects, run_id, session, command, lent)
    if where == "after":
        die()
    return outcome


CARRY_OUT = Effects.carry_out


class Ahead(SystemClock):
    """The machine's clock, some days later."""

    days = 0.0

    def now(self) -> float:
        return super().now() + self.days * 86_400


async def live(folder: Path, days: float) -> None:
    """Start a run, or go on with what is there; decide what is lost as a person would; at last fork it once."""
    toys = Doomed(folder / "log")
    toys.fail_times = 10_000
    clock = Ahead()
    clock.days = days
    async with house(folder, toys=toys, database=Dying, clock=clock) as at:
        runs = await listed(at)
        if days:
            with anyio.fail_after(20):
                while any(run["status"] == "succeeded" for run in runs):
                    await anyio.sleep(0.01)
                    runs = await listed(at)
            return
        if not runs:
            await at.run(SPEC, wait_seconds=0)
            (folder / "acknowledged").touch()
        for number, run in enumerate(reversed(await listed(at))):
            await go_on(at, run["id"], folder, number)
        if len(runs := await listed(at)) == 1 and runs[0]["status"] == "succeeded":
            await at.call("workflow_control", run_id=runs[0]["id"], action="fork", step="c")
            await go_on(at, (await listed(at))[0]["id"], folder, 1)
    (folder / "seen").write_text(json.dumps(point.seen))


async def listed(at: House) -> Any:
    return (await at.call("workflow_status"))["steps"]


async def go_on(at: House, run_id: str, folder: Path, earlier: int) -> None:
    """To its end, with every question answered. So many runs wrote the same before."""
    while True:
        status = await at.call("workflow_status", run_id=run_id, wait_seconds=20)
        if status["status"] != "waiting":
            return
        for waiting in status["waiting_for"]:
            step = waiting["step"]
            log = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
            if waiting["kind"] != "lost":
                await at.call("workflow_answer", run_id=run_id, step=step, value="yes")
            elif log.count(f"write {TELLS[step]}") > earlier:
                await at.call("workflow_answer", run_id=run_id, step=step, value={"text_": TELLS[step]})
            else:
                await at.call("workflow_control", run_id=run_id, action="retry", step=step)


def main() -> None:
    Effects.carry_out = carry_out  # type: ignore[method-assign, assignment] # this process exists to be broken
    for line in sys.stdin:
        life = json.loads(line)
        child = os.fork()
        if not child:
            try:
                point.kind, point.number, point.where = life["kind"], life["number"], life["where"]
                anyio.run(live, Path(life["folder"]), life["days"])
            except BaseException as error:  # noqa: BLE001 - the parent process must not go on here
                print(f"{life}: {error!r}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
