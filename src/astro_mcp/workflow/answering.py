"""Asks of this daemon's runs that the operator's model answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from anyio.abc import TaskGroup

from astro_mcp.core.authority import Level
from astro_mcp.errors import AstroError
from astro_mcp.workflow.answerer import Answerer, open_asks
from astro_mcp.workflow.drivers.sqlite.active import Active
from astro_mcp.workflow.kernel import events as e

log = logging.getLogger(__name__)

Send = Callable[[Active, e.Event], Awaitable[None]]


class Answering:
    """Has asks answered; answers go out by `send`. An ask without one goes on waiting for somebody else."""

    def __init__(self, answerer: Answerer, send: Send) -> None:
        self._answerer = answerer
        self._send = send

    def look(self, run: Active, tasks: TaskGroup) -> None:
        """Begin with each ask of the run that has not been begun with."""
        if not (self._answerer.every or run.state.unattended):
            return
        for path, request in open_asks(run.state).items():
            if path not in run.asked:
                run.asked.add(path)
                tasks.start_soon(self._answer, run, path, request)

    async def _answer(self, run: Active, path: str, request: Mapping[str, Any]) -> None:
        value = await self._answerer.answer(run.labelled_session(), run.state.run_id, path, request)
        if value is None:
            return
        event = e.Answered(now=0.0, path=path, value=value, by=Level.MODEL.value, digest=request["digest"])
        try:
            await self._send(run, event)
        except AstroError as error:
            log.warning("the answer to %s of run %s can't be given: %s", path, run.state.run_id, error)
