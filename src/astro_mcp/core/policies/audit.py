"""Leaves a record of every call: the intent before the effect, the outcome after; refusals too.

What changes something is not begun before its intent is on disk, and not acknowledged before its outcome is. A
read's records are written behind it: losing the last few of those in a crash loses nothing that happened. Where one
that stays on this machine ended before its intent was written, the outcome is all that is: it tells what that would.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

import anyio
from pydantic_core import to_json

from astro_mcp.core.authority import HARMLESS, Effect
from astro_mcp.core.bounds import small
from astro_mcp.core.call import Call, Gate, Result
from astro_mcp.core.dispatcher import NO_GATE, Invocation, Proceed
from astro_mcp.core.ports import AuditRecord, AuditSink, Clock, Phase
from astro_mcp.errors import AstroError, Lost, TooLarge, Unavailable

FLOW: Final = 1_000
"""Characters of what a record tells of flow."""
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, default=str, separators=(",", ":"))


class Audit:
    """The outermost policy; `intent` gives its other half, which stands right before the tool."""

    def __init__(self, sink: AuditSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._begun: dict[str, tuple[AuditRecord, Gate, Any]] = {}

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        began = self._clock.monotonic()
        code = "cancelled"
        try:
            result = await proceed(invocation)
            code = result.error.code if result.error else "ok"
            return result
        except AstroError as error:
            code = error.code
            raise
        except Exception:  # only named for the record, and raised again
            code = "internal"
            raise
        finally:
            took = (self._clock.monotonic() - began) * 1000
            intent, gate, posted = self._begun.pop(invocation.call.id, (None, NO_GATE, None))
            if intent is None:
                record = self._record(invocation.call, "refusal", _named(invocation.effects), code, took)
            else:
                record = self._outcome(intent, gate, code, took)
            if invocation.effects <= HARMLESS:
                await self._sink.post(record, posted)
            else:
                with anyio.CancelScope(shield=True):
                    await self._ended(record)

    async def _ended(self, record: AuditRecord) -> None:
        """Raises `Lost` where an effect happened that can't be told of: the same call again could be one too many."""
        try:
            await self._sink.commit(record)
        except Unavailable as error:
            if (record.phase, record.code) != ("outcome", "ok"):
                raise
            raise Lost("the call was carried out, and its record can't be written", error.hint) from error

    async def refused(self, call: Call, error: AstroError) -> None:
        """A call that named no tool, or whose arguments were none."""
        unread = isinstance(error, TooLarge)  # what was too much to look into is too much for a digest
        digest = self._sink.digest(b"") if unread else None
        await self._sink.post(self._record(call, "refusal", "", error.code, None, digest))

    def intent(self) -> _Intent:
        return _Intent(self)

    async def intended(self, invocation: Invocation) -> None:
        """The effect is about to be: what ends without this was refused by a policy."""
        call, gate = invocation.call, invocation.gate
        record = self._record(call, "intent", _named(invocation.effects), "", None, gate=gate)
        harmless = invocation.effects <= HARMLESS
        posted = await self._sink.post(record) if harmless else None
        self._begun[call.id] = record, gate, None if Effect.NETWORK in invocation.effects else posted
        if not harmless:
            await self._sink.commit(record)

    def _record(
        self,
        call: Call,
        phase: Phase,
        effects: str,
        code: str,
        took: float | None,
        digest: str | None = None,
        gate: Gate = NO_GATE,
    ) -> AuditRecord:
        principal, scope = call.session.principal, call.session.scope
        return AuditRecord(  # by place: names would cost as much again, twice a call
            self._clock.now(),
            phase,
            call.id,
            scope.tenant,
            scope.key,
            principal.id,
            str(principal.kind),  # a plain one: the store would look for how to bind another
            call.tool[:60],
            digest or self._sink.digest(canonical(call)),
            effects,
            code,
            took,
            call.run_id,
            call.step,
            _flow(gate),
        )

    def _outcome(self, intent: AuditRecord, gate: Gate, code: str, took: float) -> AuditRecord:
        """What became of what was intended; the gate may have let out more meanwhile."""
        return AuditRecord(self._clock.now(), "outcome", *intent[2:10], code, took, *intent[12:14], _flow(gate))


@lru_cache(maxsize=64)
def _named(effects: frozenset[Effect]) -> str:
    return ",".join(sorted(effects))


def _flow(gate: Gate) -> str:
    return "; ".join(gate.passed)[:FLOW] if gate.passed else ""


class _Intent:
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        await self._audit.intended(invocation)
        return await proceed(invocation)


def canonical(call: Call) -> bytes:
    """The arguments as JSON with sorted keys: equal arguments, equal bytes. What is small goes another way, which takes
    a fifth of the time."""
    given = call.arguments
    if small(given):
        return to_json({name: given[name] for name in sorted(given)})
    return _CANONICAL.encode(dict(given)).encode("utf-8", "replace")
