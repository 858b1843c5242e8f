"""What a driver does for a command: the dispatcher's call, and the artifact of a large output."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from astro_mcp.core.authority import Label, Session
from astro_mcp.core.call import Call
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import AstroError
from astro_mcp.workflow.kernel.events import Finished, Start

INLINE: Final = 256 * 1024
"""Bytes of output kept in the step's own row."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt's end, with what the journal keeps beside it. `ref` is the sha256 of an output that is kept apart."""

    event: Finished
    labels: frozenset[Label]
    ref: str | None = None


class Effects:
    """Carries out calls through the one dispatcher."""

    def __init__(self, dispatcher: Dispatcher, artifacts: ArtifactSink) -> None:
        self._dispatcher = dispatcher
        self._artifacts = artifacts

    async def carry_out(self, run_id: str, session: Session, command: Start) -> Outcome:
        """One attempt, whose end is a value or an error; only cancellation is raised."""
        path, attempt = command.path, command.attempt
        call = Call(
            session,
            command.tool,
            command.arguments,
            run_id=run_id,
            step=path,
            idempotency_key=f"{run_id}/{path}/{attempt}",
            labels=session.labels,
            timeout=command.timeout,
        )
        result = await self._dispatcher.call(call)
        event = Finished(now=0.0, path=path, attempt=attempt)
        try:
            output: Any = result.unwrap().model_dump(mode="json")
            ref = await self._kept_apart(session, path, output)
        except AstroError as error:
            return Outcome(replace(event, error=error.as_dict()), result.labels)
        return Outcome(replace(event, output=output), result.labels, ref)

    async def _kept_apart(self, session: Session, path: str, output: Any) -> str | None:
        body = json.dumps(output, ensure_ascii=False).encode("utf-8", "replace")
        if len(body) <= INLINE:
            return None
        return await self._artifacts.put(session.scope, body, "application/json", f"{path}.json")
