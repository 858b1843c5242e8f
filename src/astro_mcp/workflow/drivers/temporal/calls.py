"""The activities: a step's call, through the one dispatcher, and expressions."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
from temporalio import activity
from temporalio.exceptions import ApplicationError

from astro_mcp.core.authority import Label, Ledger, Scope, Session
from astro_mcp.errors import ExpressionLimit, InvalidInput, PathDenied
from astro_mcp.workflow.answerer import Answerer
from astro_mcp.workflow.authority import unpacked
from astro_mcp.workflow.drivers.temporal.naming import ANSWER, CALL, EVALUATE, MODEL, TREE, TREES
from astro_mcp.workflow.effects import Effects
from astro_mcp.workflow.expressions.bind import Evaluate
from astro_mcp.workflow.kernel.events import Close, Closed, Made, Make, Start
from astro_mcp.workflow.trees import Trees
from astro_mcp.workspace.roots import usable_roots

log = logging.getLogger(__name__)

GONE: Final = "WorkerEnded"
"""The type of the failure of a call whose worker ended under it."""
LEDGERS: Final = 1_000
"""Scopes whose ledgers are kept; the one that was used least recently goes."""
Activity = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
SAME: Final = "a worker has the run's roots at the same paths"
BEATS: Final = 5
"""Heartbeats within the time after which a worker counts as dead."""


class Calls:
    """What this machine does for runs. `refused` are folders that no root may overlap; `ceiling` as in settings."""

    def __init__(
        self, effects: Effects, trees: Trees, evaluate: Evaluate, ceiling: Sequence[Path], refused: Sequence[Path]
    ) -> None:
        self._effects = effects
        self.trees = trees
        self._evaluate = evaluate
        self._ceiling = ceiling
        self._refused = refused
        self.answerer: Answerer | None = None
        self._ledgers: OrderedDict[Scope, Ledger] = OrderedDict()
        self._thread = anyio.CapacityLimiter(1)
        self._lookers = anyio.CapacityLimiter(2)

    @property
    def apart(self) -> Mapping[str, Activity]:
        """What has a queue of its own, beside the calls of agents."""
        return {TREES: self.tree} | ({} if self.answerer is None else {MODEL: self.answer})

    @activity.defn(name=CALL)
    async def call(self, order: dict[str, Any]) -> dict[str, Any]:
        """One attempt. Its end is a value or an error, `at` a time by the server's clock, with the `size` in bytes that
        it leaves in the server's history; a failure of the activity says that there was none."""
        told = await _watched(self._carried_out(order), again=False)
        return {**told, "size": len(json.dumps([order["arguments"], told["output"], told["error"]]))}

    @activity.defn(name=ANSWER)
    async def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """The `value` that the operator's model answers an ask with, `at` a time as above; null where it gives none."""
        told = await _watched(self._answered(order), again=True)
        return {**told, "size": len(json.dumps([order["request"], told["value"]]))}

    async def _answered(self, order: dict[str, Any]) -> dict[str, Any]:
        if self.answerer is None:
            raise AssertionError("a worker without a model serves no asks")
        asked = order["run_id"], order["path"], order["request"]
        return {"value": await self.answerer.answer(self._session(order), *asked)}

    @activity.defn(name=TREE)
    async def tree(self, order: dict[str, Any]) -> dict[str, Any]:
        """A run's worktree, made or closed: what `Made` or `Closed` say, and the run's labels."""
        return await _watched(self._grown(order), again=True)

    async def _grown(self, order: dict[str, Any]) -> dict[str, Any]:
        session, run_id, name = self._session(order), order["run_id"], order["name"]
        labels: frozenset[Label] = frozenset()
        event: Made | Closed
        reason = await self._unusable(session.grant.roots)
        if reason and "origin" in order:
            event = Made(now=0.0, error=PathDenied(reason, SAME).as_dict())
        elif reason:
            event = Closed(now=0.0, branch="", sha="", left=f"{reason}; {SAME}")
        elif "origin" in order:
            event, labels = await self.trees.make(run_id, session, Make("", order["origin"]))
        else:
            event, labels = await self.trees.close(run_id, name, session, Close("", order["base"]))
        said = {field.name: getattr(event, field.name) for field in fields(event) if field.name not in ("now", "slots")}
        return {"event": said, "labels": sorted({*session.labels, *labels})}

    async def _carried_out(self, order: dict[str, Any]) -> dict[str, Any]:
        session = self._session(order)
        tree = [Path(order["tree"])] if order["tree"] else []
        if reason := await self._unusable([*session.grant.roots, *tree]):
            error = PathDenied(reason, SAME).as_dict()
            return {"output": None, "error": error, "labels": order["labels"]}
        command = Start(order["path"], order["attempt"], order["tool"], order["arguments"], order["timeout"])
        own = session.within(tree[0]) if tree else session
        outcome = await self._effects.carry_out(order["run_id"], own, command)
        return {"output": outcome.event.output, "error": outcome.event.error, "labels": sorted(outcome.labels)}

    def _session(self, order: Mapping[str, Any]) -> Session:
        """Whose call it is, with what its run has seen, and the ledger that all runs of its scope have on this
        worker."""
        session = unpacked(order["session"])
        ledger = self._ledgers.setdefault(session.scope, session.ledger)
        self._ledgers.move_to_end(session.scope)
        while len(self._ledgers) > LEDGERS:
            self._ledgers.popitem(last=False)
        return replace(session, labels=frozenset(Label(name) for name in order["labels"]), ledger=ledger)

    async def _unusable(self, roots: Sequence[Path]) -> str:
        """Why a root is none on this machine: the session was made on another one."""
        _, reasons = await anyio.to_thread.run_sync(
            usable_roots, roots, self._ceiling, self._refused, limiter=self._lookers
        )
        return reasons[0] if reasons else ""

    @activity.defn(name=EVALUATE)
    async def evaluate(self, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the expressions give, each its value or its error; raises what says nothing about them."""
        return await anyio.to_thread.run_sync(_evaluated, asked, self._evaluate, limiter=self._thread)


async def _watched(work: Awaitable[dict[str, Any]], *, again: bool) -> dict[str, Any]:
    """What `work` gives, with the time of its end, while the server is told that this worker lives. Where the worker
    ends, the activity fails; `again` says whether another one may do it."""
    began = anyio.current_time()
    told: dict[str, Any] | None = None
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_beat)
            told = await work
            group.cancel_scope.cancel()
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        if details is not None and details.worker_shutdown:
            raise ApplicationError("the worker ended", type=GONE, non_retryable=not again) from None
        raise
    if told is None:
        raise asyncio.CancelledError
    return {**told, "at": activity.info().started_time.timestamp() + anyio.current_time() - began}


def _evaluated(asked: list[dict[str, Any]], evaluate: Evaluate) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    for one in asked:
        try:
            answers.append({"value": evaluate(one["source"], one["data"])})
        except (InvalidInput, ExpressionLimit) as error:
            answers.append({"error": error.as_dict()})
    return answers


async def _beat() -> None:
    """Say that this worker lives, until the call has ended."""
    longest = activity.info().heartbeat_timeout
    while longest is not None:
        await anyio.sleep(longest.total_seconds() / BEATS)
        activity.heartbeat()
