"""Feeds a kernel, and checks after every event what holds always."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from astro_mcp.workflow.document.model import Document
from astro_mcp.workflow.document.plan import Plan, build
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.draft import Advance
from astro_mcp.workflow.kernel.machine import step
from astro_mcp.workflow.kernel.state import TERMINAL, RunState


def evaluate(source: str, data: Any) -> Any:
    """Enough of a language for tests without CEL: the status functions and their negation."""
    names = {"_always": data.get("_always"), "_success": data.get("_success"), "_failure": data.get("_failure")}
    return {**names, "!_failure": not names["_failure"]}[source]


def plan_of(*steps: dict[str, Any], **more: Any) -> Plan:
    return build(Document.model_validate({"steps": list(steps), **more}))


class Player:
    """Feeds a kernel: keeps the calls in flight, and checks after every event what holds always."""

    def __init__(self, plan: Plan, *, parallel: int = 4, slots: int = 100) -> None:
        self.plan = plan
        self.state = RunState("run_1", {}, 0.0, parallel)
        self.slots = slots
        self.now = 0.0
        self.flying: dict[str, e.Start] = {}
        self.started: list[str] = []
        self.ended: dict[str, str] = {}
        self.log: list[tuple[e.Event, Advance]] = []

    def feed(self, event: e.Event) -> Advance:
        event = replace(event, now=self.now, slots=self.slots - len(self.flying))
        before = self.state
        advance = step(self.plan, self.state, event, evaluate)
        self.state = advance.state
        self.log.append((event, advance))
        for command in advance.commands:
            if isinstance(command, e.Start):
                assert not before.paused or isinstance(event, e.Resumed)
                self.flying[command.path] = command
                self.started.append(command.path)
            else:
                self.flying.pop(command.path)
        for path, found in self.state.steps.items():
            if path in self.ended:
                assert found.status == self.ended[path], "a terminal state is final"
            if found.status in TERMINAL:
                self.ended[path] = found.status
        assert self.state.running == len(self.flying) <= self.state.parallel
        assert len(self.flying) <= self.slots
        return advance

    def finish(self, path: str, output: Any = None, code: str = "") -> Advance:
        start = self.flying.pop(path)
        error = {"code": code, "message": code, "hint": "", "retryable": False} if code else None
        return self.feed(e.Finished(now=0, path=path, attempt=start.attempt, output=output, error=error))

    def began(self) -> Player:
        self.feed(e.Began(now=0))
        return self

    def status(self, path: str) -> str:
        return self.state.steps[path].status
