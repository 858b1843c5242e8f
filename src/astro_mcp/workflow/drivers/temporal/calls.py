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
from temporalio.client import AsyncActivityCancelledError, AsyncActivityHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

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

BEGUN: Final = "begun"
GONE: Final = "WorkerEnded"
"""The type of the failure of a call whose worker ended under it."""
LEDGERS: Final = 1_000
"""Scopes whose ledgers are kept; the one that was used least recently goes."""
Activity = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
SAME: Final = "a worker has the run's roots at the same paths"
BEATS: Final = 5
"""Heartbeats within the time after which a worker counts as dead."""


class Calls:
    """What this machine does for runs. `refused` are folders that no root may overlap; `ceiling` as in settings, and
    `heartbeat` in seconds, as there."""

    def __init__(
        self,
        effects: Effects,
        trees: Trees,
        evaluate: Evaluate,
        ceiling: Sequence[Path],
        refused: Sequence[Path],
        heartbeat: float,
    ) -> None:
        self._effects = effects
        self.trees = trees
        self._evaluate = evaluate
        self._ceiling = ceiling
        self._refused = refused
        self._beat = heartbeat / BEATS
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
        return await _watched(self._carried_out(order), self._beat, again=False, once=order["once"])

    @activity.defn(name=ANSWER)
    async def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """The `value` that the operator's model answers an ask with, `at` a time as above; null where it gives none."""
        told = await _watched(self._answered(order), self._beat, again=True)
        return {**told, "size": len(json.dumps([order["request"], told["value"]]))}

    async def _answered(self, order: dict[str, Any]) -> dict[str, Any]:
        if self.answerer is None:
            raise AssertionError("a worker without a model serves no asks")
        asked = order["run_id"], order["path"], order["request"]
        return {"value": await self.answerer.answer(self._session(order), *asked)}

    @activity.defn(name=TREE)
    async def tree(self, order: dict[str, Any]) -> dict[str, Any]:
        """A run's worktree, made or closed: what `Made` or `Closed` say, and the run's labels."""
        return await _watched(self._grown(order), self._beat, again=True)

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
            return _ended(order, None, PathDenied(reason, SAME).as_dict(), order["labels"])
        command = Start(order["path"], order["attempt"], order["tool"], order["arguments"], order["timeout"])
        own = session.within(tree[0]) if tree else session
        if order["once"]:
            await _noted_as_begun()
        outcome = await self._effects.carry_out(order["run_id"], own, command)
        return _ended(order, outcome.event.output, outcome.event.error, sorted(outcome.labels))

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


def _ended(order: Mapping[str, Any], output: Any, error: Any, labels: Sequence[str]) -> dict[str, Any]:
    size = len(json.dumps([order["arguments"], output, error]))
    return {"output": output, "error": error, "labels": labels, "size": size}


async def _watched(work: Awaitable[dict[str, Any]], beat: float, *, again: bool, once: bool = False) -> dict[str, Any]:
    """What `work` gives, with the time of its end, while the server is told that this worker lives. Where the worker
    ends, the activity fails; `again` says whether another one may do it. What is done `once` is told to the server from
    here, however long that is away: the SDK gives up after ten seconds."""
    began = anyio.current_time()
    told: dict[str, Any] | None = None
    delivered = False
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_keep_beating, beat)
            told = await work
            told["at"] = activity.info().started_time.timestamp() + anyio.current_time() - began
            group.cancel_scope.cancel()
        if once and told is not None:
            await _deliver(told)
            delivered = True
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        if delivered:  # a beat on its way came after the end: the server knows of no such call any more
            activity.raise_complete_async()
        if details is not None and details.worker_shutdown:
            raise ApplicationError("the worker ended", type=GONE, non_retryable=not again) from None
        raise
    if told is None:
        raise asyncio.CancelledError
    if delivered:
        activity.raise_complete_async()
    return told


def _evaluated(asked: list[dict[str, Any]], evaluate: Evaluate) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    for one in asked:
        try:
            answers.append({"value": evaluate(one["source"], one["data"])})
        except (InvalidInput, ExpressionLimit) as error:
            answers.append({"error": error.as_dict()})
    return answers


async def _keep_beating(most: float) -> None:
    """Say that this worker lives, until the call has ended: the answer may be that nobody wants it any more, so no less
    often than every `most` seconds."""
    dead_after = activity.info().heartbeat_timeout
    beat = most if dead_after is None else min(most, dead_after.total_seconds() / BEATS)
    while True:
        await anyio.sleep(beat)
        activity.heartbeat(BEGUN)


def _handle() -> AsyncActivityHandle:
    return activity.client().get_async_activity_handle(task_token=activity.info().task_token)


async def _deliver(told: dict[str, Any]) -> None:
    try:
        await _handle().complete(told)
    except RPCError as error:
        log.warning("nobody waits for the end of %s any more: %s", activity.info().activity_id, error.message)


async def _noted_as_begun() -> None:
    """The start record before an effect: returns when the server has it. A call that it has none of never began."""
    try:
        await _handle().heartbeat(BEGUN)
    except AsyncActivityCancelledError:
        await anyio.sleep_forever()  # until that comes the usual way
    except RPCError as error:
        raise ApplicationError(f"nobody waits for this call: {error.message}", non_retryable=True) from None
