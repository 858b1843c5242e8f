"""Worktrees of runs, by tools that stand in a registry of their own: each call passes the policies, and is audited."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import anyio

from astro_mcp.core.authority import Label, Session
from astro_mcp.core.call import Call, Result
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.errors import AstroError, Problem
from astro_mcp.observe.printable import printable
from astro_mcp.workflow.document.checks import Checked
from astro_mcp.workflow.kernel import events as e

log = logging.getLogger(__name__)

PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds before another try where what stands against it may pass: another git at work, no place for the call."""


class Trees:
    """Looks whether a run can have a worktree, makes it and closes it."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def look(self, session: Session, checked: Checked) -> None:
        """Tell in `checked` what the worktree of a run would begin at, or why there can be none. Raises what may
        pass."""
        result = await self._call(session, "worktree_look", {}, "", 1)
        try:
            found = result.unwrap().model_dump()
        except AstroError as error:
            if error.retryable:
                raise
            checked.problems.append(Problem("workspace", _said(error), "workspace: in_place"))
            checked.plan = None
            return
        missing = f"; {found['changed']} changed paths are not committed, and not in it" if found["changed"] else ""
        checked.begins = f"{found['sha'][:12]} of {printable(found['branch'], 80) or 'a detached HEAD'}{missing}"
        checked.labels |= result.labels

    async def make(self, run_id: str, session: Session, command: e.Make) -> tuple[e.Made, frozenset[Label]]:
        """Carry out the command; only cancellation is raised."""
        arguments = {"name": run_id, "origin": command.origin}
        try:
            made, labels = await self._surely(run_id, session, "worktree_make", arguments)
        except AstroError as error:
            return e.Made(now=0.0, error=error.as_dict()), frozenset()
        return e.Made(now=0.0, tree=made["path"], branch=made["branch"], base=made["base"]), labels

    async def close(
        self, run_id: str, name: str, session: Session, command: e.Close
    ) -> tuple[e.Closed, frozenset[Label]]:
        """Carry out the command; only cancellation is raised. What can't be closed is left, and told."""
        arguments = {"name": run_id, "base": command.base, "message": f"astro-mcp: {printable(name)}\n\nRun {run_id}"}
        closed = partial(e.Closed, now=0.0)
        try:
            found, labels = await self._surely(run_id, session, "worktree_close", arguments)
        except AstroError as error:
            return closed(branch="", sha="", left=_said(error)), frozenset()
        return closed(branch=found["branch"], sha=found["sha"], left=found["left"]), labels

    async def _surely(
        self, run_id: str, session: Session, tool: str, arguments: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], frozenset[Label]]:
        """What the tool gives; raises its error where that does not pass in a while."""
        for attempt, pause in enumerate((*PAUSES, None), 1):
            result = await self._call(session, tool, arguments, run_id, attempt)
            if result.error is None or not result.error.retryable or pause is None:
                break
            log.warning("%s of run %s is tried again: %s", tool, run_id, result.error)
            await anyio.sleep(pause)
        return result.unwrap().model_dump(), result.labels

    async def _call(
        self, session: Session, tool: str, arguments: Mapping[str, Any], run_id: str, attempt: int
    ) -> Result:
        key = f"{run_id}//{tool}/{attempt}" if run_id else None
        call = Call(session, tool, arguments, run_id=run_id or None, idempotency_key=key, labels=session.labels)
        return await self._dispatcher.call(call)


def _said(error: AstroError) -> str:
    return error.message + (f"; {error.hint}" if error.hint else "")
