"""What a driver does for a command: the dispatcher's call, and the artifact of a large output."""

from __future__ import annotations

import logging
from typing import Any, Final, NamedTuple

import anyio
import anyio.to_thread
from pydantic import BaseModel

from astro_mcp.core.authority import Label, Session
from astro_mcp.core.bounds import small
from astro_mcp.core.call import Call
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.model import Output
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import AstroError, Internal
from astro_mcp.workflow.kernel.events import Finished, Start
from astro_mcp.workflow.stored_json import stored_json

log = logging.getLogger(__name__)

INLINE: Final = 256 * 1024
"""Bytes of output kept in the step's own row."""
LARGE: Final = 32 * 1024
"""Characters and values of output that are dumped in a thread."""
_HOLDERS: Final = (dict, list, tuple)


class Outcome(NamedTuple):
    """An attempt's end, with what the journal keeps beside it. `ref` is the sha256 of an output that is kept apart,
    `text` an output as it is stored."""

    event: Finished
    labels: frozenset[Label]
    ref: str | None = None
    text: str = ""


class Effects:
    """Carries out calls through the one dispatcher. Without `artifacts` no output is kept apart."""

    def __init__(self, dispatcher: Dispatcher, artifacts: ArtifactSink | None) -> None:
        self._dispatcher = dispatcher
        self._artifacts = artifacts
        self._dumpers = anyio.CapacityLimiter(2)

    async def carry_out(
        self, run_id: str, session: Session, command: Start, lent: anyio.CancelScope | None = None
    ) -> Outcome:
        """One attempt, whose end is a value or an error; only cancellation is raised. `lent` (see `Call.lent`) may
        be cancelled at the very moment when the call has ended."""
        path, attempt = command.path, command.attempt
        labels = session.labels
        call = Call(
            session,
            command.tool,
            command.arguments,
            run_id=run_id,
            step=path,
            idempotency_key=f"{run_id}/{path}/{attempt}",
            labels=labels,
            timeout=command.timeout,
            lent=lent,
        )
        try:
            result = await self._dispatcher.call(call)
            labels = result.labels
            value = result.unwrap()
            if _large(value):
                with anyio.CancelScope(shield=True):
                    output, text = await anyio.to_thread.run_sync(_dumped, value, limiter=self._dumpers)
            else:  # a thread for each of a thousand small outputs is a fifth of a run
                output, text = _dumped(value)
            ref = None
            if self._artifacts is not None and len(text) > INLINE:
                with anyio.CancelScope(shield=True):
                    data, name = text.encode(), f"{path}.json"
                    ref = await self._artifacts.put(session.scope, data, "application/json", name, labels)
        except AstroError as error:
            return Outcome(Finished(now=0.0, path=path, attempt=attempt, error=error.as_dict()), labels)
        except Exception:  # whatever a call can raise ends the attempt
            log.exception("the step %s of run %s broke in call %s", path, run_id, call.id)
            broke = Internal(hint=f"call id {call.id}")
            return Outcome(Finished(now=0.0, path=path, attempt=attempt, error=broke.as_dict()), labels)
        return Outcome(Finished(now=0.0, path=path, attempt=attempt, output=output), labels, ref, text)


def _dumped(value: Output) -> tuple[Any, str]:
    """An output as JSON data and as ASCII text of it, which reads back equal. Takes its time where it is large."""
    output = value.model_dump(mode="json")
    return output, stored_json(output)


def _large(value: Output) -> bool:
    """Whether there is much in it; stops looking as soon as that is clear."""
    if small(value.__dict__):
        return False
    seen = 0
    waiting: list[Any] = [value]
    while waiting and seen <= LARGE:
        item = waiting.pop()
        if isinstance(item, BaseModel):
            seen += 1
            waiting.extend(item.__dict__.values())
        elif isinstance(item, _HOLDERS):
            seen += len(item)
            if seen <= LARGE:
                waiting.extend(item.values() if isinstance(item, dict) else item)
        else:
            seen += len(item) if isinstance(item, str) else 1
    return seen > LARGE
