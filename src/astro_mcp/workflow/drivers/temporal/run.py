"""The one workflow type: feeds the kernel, and starts an activity for each call that it asks for.

All that it computes follows from its input and from what its history holds, in order: an event brings its time along,
and what expressions give is recorded before it counts (docs/decisions/023-expressions-are-recorded.md). What the SDK
knows beside that, its clock and the length of the history, is not asked: a worker that answers a query may have taken
events before the server handed them to a task, and knew another time then than a replay does.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as Overdue

from astro_mcp.core.authority import Level
from astro_mcp.errors import Internal
from astro_mcp.workflow.answerer import open_asks
from astro_mcp.workflow.document.read import parse
from astro_mcp.workflow.driver import Happened, happened
from astro_mcp.workflow.drivers.temporal import packing
from astro_mcp.workflow.drivers.temporal.calls import GONE
from astro_mcp.workflow.drivers.temporal.foresight import Foresight
from astro_mcp.workflow.drivers.temporal.naming import ANSWER, CALL, EVALUATE, MODEL, TREE, TREES, WORKFLOW, agent_queue
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.draft import Advance
from astro_mcp.workflow.kernel.machine import step
from astro_mcp.workflow.kernel.state import FAILED, RunState

log = logging.getLogger(__name__)

ONCE: Final = RetryPolicy(maximum_attempts=1)
WORKERS: Final = RetryPolicy(maximum_attempts=3)
"""Workers that may end under one question to the model."""
PERSISTENT: Final = RetryPolicy(maximum_attempts=20, maximum_interval=timedelta(seconds=30))
"""Of what can be begun again: workers that end under it, or that have a defect."""
LONGEST: Final = timedelta(days=7)
"""Of one call: the tool's own deadline ends it long before."""
EVALUATION: Final = timedelta(seconds=600)
PRIORITIES: Final = {"high": 1, "normal": 3, "low": 5}
EACH: Final = 9
"""Events of the server's history that one of ours makes: a call's three, an evaluation's one, and their tasks'."""
BYTES: Final = 8_000_000
"""Of what the server's history holds, where a run goes on as new; servers end one at 50 MB."""


@dataclass(slots=True, eq=False)
class Arrival:
    """An event that came in, with its time (0: not known); `done` once it has been taken. `size` are the bytes that it
    left in the server's history."""

    event: e.Event
    labels: frozenset[str] = frozenset()
    size: int = 0
    done: bool = False


@workflow.defn(name=WORKFLOW)
class Run:
    """One run, or the part of it since it last went on as new."""

    @workflow.init
    def __init__(self, given: dict[str, Any]) -> None:
        self._kept = packing.unpacked_kept(given["kept"])
        self._plan = parse(self._kept.spec)
        self._state: RunState = packing.unpacked_state(given["state"])
        self._labels = frozenset(given["labels"])
        self._history: list[Happened] = packing.unpacked_history(given["history"])
        self._now: float = given["now"]
        self._taken = self._bytes = 0
        self._inbox = [Arrival(packing.unpacked_event(event)) for event in given["first"]]
        self._calls: dict[str, workflow.ActivityHandle[dict[str, Any]]] = {}
        self._asked: dict[tuple[str, str], workflow.ActivityHandle[dict[str, Any]]] = {}
        self._stopping: set[workflow.ActivityHandle[dict[str, Any]]] = set()
        self._tree = asyncio.Lock()
        self._hands: set[asyncio.Task[None]] = set()
        self._timers: set[float] = set()
        self._told = ""

    @workflow.run
    async def run(self, given: dict[str, Any]) -> dict[str, Any]:
        """Advance until the run has ended; what it was is the result."""
        while not self._state.over:
            await workflow.wait_condition(lambda: bool(self._inbox))
            await self._advance()
            if self._full() and not (self._calls or self._stopping or self._hands or self._state.over):
                await workflow.wait_condition(workflow.all_handlers_finished)
                if not self._inbox:
                    workflow.continue_as_new(self._packed(first=[packing.packed_event(e.Tick(now=0.0))]))
        for arrival in self._inbox:
            arrival.done = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._packed(first=[])

    @workflow.update
    async def post(self, event: dict[str, Any]) -> None:
        """Take an event; returns once it has been."""
        arrival = Arrival(packing.unpacked_event(event), frozenset(event.get("labels", ())))
        self._inbox.append(arrival)
        await workflow.wait_condition(lambda: arrival.done or self._state.over)

    @post.validator
    def _checked(self, event: dict[str, Any]) -> None:
        packing.unpacked_event(event)

    @workflow.query
    def look(self) -> dict[str, Any]:
        """The run as it is."""
        return {"kept": packing.packed_kept(self._kept), **self._seen()}

    @workflow.query
    def history(self) -> list[list[Any]]:
        """What has happened, from the first event on."""
        return packing.packed_history(self._history)

    def _seen(self) -> dict[str, Any]:
        return {"state": packing.packed_state(self._state), "labels": sorted(self._labels)}

    def _packed(self, first: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self.look(), "history": self.history(), "first": first, "now": self._now}

    def _full(self) -> bool:
        return self._taken * EACH >= self._kept.most or self._bytes >= BYTES

    def _look_at_the_clock(self, now: float) -> None:
        """One timer for each time at which something is to happen, which nothing cancels: what is asked of the server
        follows from events alone, and not from which of them a worker is told together."""
        wake = self._state.wake
        if wake is not None and wake not in self._timers:
            self._timers.add(wake)
            asyncio.get_running_loop().call_later(max(0.001, wake - now), self._rang, wake)

    def _rang(self, wake: float) -> None:
        self._timers.discard(wake)
        self._inbox.append(Arrival(e.Tick(now=wake)))

    async def _advance(self) -> None:
        """Take the first of what came in. Nothing of it is seen, or begun, before all of it has been computed.

        One at a time: a replay may bring together what came one after the other, and what is asked of `EVALUATE` has to
        be the same then."""
        arrival = self._inbox.pop(0)
        self._now = max(self._now, arrival.event.now)
        self._taken += 1
        self._bytes += arrival.size
        slots = 0 if self._full() else self._state.parallel
        event, foresight = replace(arrival.event, now=self._now, slots=slots), Foresight()
        while True:
            advance = self._stepped(event, foresight)
            if not foresight.missing:
                break
            answers: list[dict[str, Any]] = await workflow.execute_local_activity(
                EVALUATE, foresight.asked(), result_type=list[dict[str, Any]], start_to_close_timeout=EVALUATION
            )
            foresight.learn(answers)
            self._bytes += len(json.dumps(answers))
        self._labels |= arrival.labels
        self._state = advance.state
        self._history.append(happened(len(self._history) + 1, event))
        self._tell(event.now)
        for command in advance.commands:
            self._carry_out(command)
        if self._kept.answered:
            self._look_at_the_asks()
        self._look_at_the_clock(event.now)
        arrival.done = True

    def _look_at_the_asks(self) -> None:
        """Each that waits is put to the operator's model, once; one that waits no more is asked no more."""
        waiting = {(path, request["digest"]): request for path, request in open_asks(self._state).items()}
        for known in [known for known in self._asked if known not in waiting]:
            self._asked.pop(known).cancel()
        for (path, digest), request in waiting.items():
            if (path, digest) in self._asked:
                continue
            order = {
                "run_id": self._state.run_id,
                "session": self._kept.session,
                "labels": sorted(self._labels),
                "path": path,
                "request": dict(request),
            }
            handle = workflow.start_activity(
                ANSWER,
                order,
                retry_policy=WORKERS,
                **self._place(MODEL, path),
            )
            self._asked[path, digest] = handle
            handle.add_done_callback(functools.partial(self._answered, path, digest))

    def _answered(self, path: str, digest: str, handle: asyncio.Task[dict[str, Any]]) -> None:
        """The model has said something, or nothing: then the ask goes on waiting for somebody else."""
        if handle.cancelled() or self._asked.get((path, digest)) is not handle:
            return  # nobody waits for it
        if error := handle.exception():
            log.warning("the ask %s of run %s is left: %r", path, self._state.run_id, error)
            return
        told = handle.result()
        if told["value"] is not None:
            by = Level.MODEL.value
            event = e.Answered(now=told["at"], path=path, value=told["value"], by=by, digest=digest)
            self._inbox.append(Arrival(event, size=told["size"]))

    def _stepped(self, event: e.Event, foresight: Foresight) -> Advance:
        try:
            return step(self._plan, self._state, event, foresight.evaluate)
        except Exception:  # as with any driver: what one run holds breaks that run alone
            if foresight.missing:
                return Advance(self._state, (), frozenset())
            log.exception("the run %s can't be advanced", self._state.run_id)
            error = Internal(hint=f"the run {self._state.run_id} could not go on; the worker's log says why").as_dict()
            stops = tuple(e.Stop(path) for path in self._calls)
            return Advance(replace(self._state, status=FAILED, error=error, ended=event.now), stops, frozenset())

    def _tell(self, now: float) -> None:
        """Let lists know of another status."""
        if self._state.status != self._told:
            self._told = self._state.status
            workflow.upsert_memo({"status": self._told, "updated": now})

    def _carry_out(self, command: e.Command) -> None:
        if isinstance(command, e.Stop) and command.path in self._calls:
            handle = self._calls.pop(command.path)
            self._stopping.add(handle)
            handle.cancel()
        elif isinstance(command, e.Make | e.Close):
            hand = asyncio.create_task(self._worktree(command))
            self._hands.add(hand)
            hand.add_done_callback(self._hands.discard)
        elif isinstance(command, e.Start):
            agent, repeatable = self._kept.tools[command.tool]
            order = {
                "run_id": self._state.run_id,
                "session": self._kept.session,
                "labels": sorted(self._labels),
                "tree": (self._state.worktree or {}).get("path", ""),
                "path": command.path,
                "attempt": command.attempt,
                "tool": command.tool,
                "arguments": command.arguments,
                "timeout": command.timeout,
                "once": not repeatable,
            }
            handle = workflow.start_activity(
                CALL,
                order,
                retry_policy=ONCE,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                **self._place(agent, command.path, seconds=0.0 if repeatable else self._kept.lost),
            )
            self._calls[command.path] = handle
            handle.add_done_callback(functools.partial(self._ended, command))

    def _place(self, agent: str, summary: str, seconds: float = 0.0) -> dict[str, Any]:
        """Where an activity is carried out, with which limits and in which order; `seconds`: with more patience."""
        return {
            "task_queue": agent_queue(self._kept.prefix, agent),
            "result_type": dict[str, Any],
            "start_to_close_timeout": LONGEST,
            "heartbeat_timeout": timedelta(seconds=max(seconds, self._kept.heartbeat)),
            "priority": Priority(PRIORITIES[self._state.priority], self._kept.tenant),
            "summary": summary[:200],
        }

    def _ended(self, command: e.Start, handle: asyncio.Task[dict[str, Any]]) -> None:
        """A call's activity is over, in one way or another."""
        self._stopping.discard(handle)
        if handle.cancelled():
            return  # this worker lets go of the run
        error = handle.exception()
        if self._calls.get(command.path) is not handle:
            return  # it was stopped, and nobody waits for it
        del self._calls[command.path]
        if error is None:
            outcome = handle.result()
            given, path, attempt = {name: outcome[name] for name in ("output", "error")}, command.path, command.attempt
            event: e.Event = e.Finished(now=outcome["at"], path=path, attempt=attempt, **given)
            self._inbox.append(Arrival(event, frozenset(outcome["labels"]), outcome["size"]))
            return
        if not isinstance(error, Exception):
            return  # this worker lets go of the run
        if _went_down(error):
            again = frozenset(name for name, (_, repeatable) in self._kept.tools.items() if repeatable)
            if _never_began(error):
                again |= {command.tool}
            event = e.Recovered(now=0.0, path=command.path, repeatable=again)
        else:
            log.error("the call of %s can't be carried out: %r", command.path, error)
            told = Internal(hint=f"the step {command.path} could not be carried out; the worker's log says why")
            event = e.Finished(now=0.0, path=command.path, attempt=command.attempt, error=told.as_dict())
        self._inbox.append(Arrival(event))

    async def _worktree(self, command: e.Make | e.Close) -> None:
        """One after the other, and the close once the calls have ended that were stopped before it."""
        making = isinstance(command, e.Make)
        async with self._tree:
            await workflow.wait_condition(lambda: making or not self._stopping)
            order = {
                "run_id": self._state.run_id,
                "session": self._kept.session,
                "labels": sorted(self._labels),
                "name": self._kept.name,
                **({"origin": command.origin} if isinstance(command, e.Make) else {"base": command.base}),
            }
            try:
                told = await workflow.execute_activity(
                    TREE,
                    order,
                    retry_policy=PERSISTENT,
                    **self._place(TREES, f"{'make' if making else 'close'} the worktree"),
                )
                arrival = Arrival(
                    (e.Made if making else e.Closed)(now=told["at"], **told["event"]), frozenset(told["labels"])
                )
            except Exception as error:  # whatever it is: a run that waits for its worktree is told of it
                log.exception("the worktree of run %s can't be seen to", self._state.run_id)
                cause = error.cause if isinstance(error, ActivityError) else error
                internal = Internal(hint=f"the worker's log says why: {cause}")
                arrival = Arrival(
                    e.Made(now=0.0, error=internal.as_dict())
                    if making
                    else e.Closed(now=0.0, branch="", sha="", left=internal.hint)
                )
        self._inbox.append(arrival)


def _never_began(error: BaseException) -> bool:
    """Whether the server has no word that a call began which says so before its effect."""
    cause = error.cause if isinstance(error, ActivityError) else None
    return isinstance(cause, Overdue) and cause.type is TimeoutType.HEARTBEAT and not cause.last_heartbeat_details


def _went_down(error: BaseException) -> bool:
    """Whether the worker is gone that had begun the call, rather than the call refused."""
    cause = error.cause if isinstance(error, ActivityError) else None
    if isinstance(cause, Overdue):
        return cause.type in (TimeoutType.HEARTBEAT, TimeoutType.START_TO_CLOSE)
    return is_cancelled_exception(error) or (isinstance(cause, ApplicationError) and cause.type == GONE)
