"""Leaves a record of every call: the intent before the effect, the outcome after; refusals too.

What changes something is not begun before its intent is on disk, and not acknowledged before its outcome is. A
read's records are written behind it: losing the last few of those in a crash loses nothing that happened.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

import anyio

from astro_mcp.core.authority import HARMLESS, Effect
from astro_mcp.core.call import Call, Gate, NoGate, Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.core.ports import AuditRecord, AuditSink, Clock, Phase
from astro_mcp.errors import AstroError, Lost, TooLarge, Unavailable

FLOW: Final = 1_000
"""Characters of what a record tells of flow."""
NO_GATE: Final = NoGate()
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, default=str, separators=(",", ":"))


class Audit:
    """The outermost policy; `intent` gives its other half, which stands right before the tool."""

    def __init__(self, sink: AuditSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._begun: dict[str, tuple[str, Gate]] = {}

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
            digest, gate = self._begun.pop(invocation.call.id, (None, invocation.gate))
            phase: Phase = "refusal" if digest is None else "outcome"
            record = self._record(invocation.call, phase, _named(invocation.effects), code, took, digest, gate)
            if invocation.effects <= HARMLESS:
                await self._sink.post(record)
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
        effects, gate = _named(invocation.effects), invocation.gate
        record = self._record(invocation.call, "intent", effects, "", None, gate=gate)
        self._begun[invocation.call.id] = record.digest, gate
        if invocation.effects <= HARMLESS:
            await self._sink.post(record)
        else:
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
        principal = call.session.principal
        return AuditRecord(
            at=self._clock.now(),
            phase=phase,
            call_id=call.id,
            scope=call.session.scope,
            principal=principal.id,
            kind=principal.kind,
            tool=call.tool[:60],
            digest=digest or self._sink.digest(canonical(call)),
            effects=effects,
            code=code,
            duration_ms=took,
            run_id=call.run_id,
            step=call.step,
            flow="; ".join(gate.passed)[:FLOW],
        )


@lru_cache(maxsize=64)
def _named(effects: frozenset[Effect]) -> str:
    return ",".join(sorted(effects))


class _Intent:
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        await self._audit.intended(invocation)
        return await proceed(invocation)


def canonical(call: Call) -> bytes:
    """The arguments as JSON with sorted keys: equal arguments, equal bytes."""
    return _CANONICAL.encode(dict(call.arguments)).encode("utf-8", "replace")
