"""The labels of the call that runs now, for what stands too deep to be handed its context: a guard that releases a
secret says so here, in whichever worker thread it does."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from astro_mcp.core.authority import Label

_LABELS: Final[ContextVar[set[Label] | None]] = ContextVar("labels", default=None)


class Bearing:
    """While this lasts `bears` adds to `labels`, here and in worker threads and tasks that begin here."""

    __slots__ = ("_labels", "_token")

    def __init__(self, labels: set[Label]) -> None:
        self._labels = labels
        self._token: Token[set[Label] | None] | None = None

    def __enter__(self) -> None:
        self._token = _LABELS.set(self._labels)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _LABELS.reset(self._token)


def bears(*labels: Label) -> None:
    """What the running call gives carries `labels`."""
    there = _LABELS.get()
    if there is not None:
        there.update(labels)


def borne() -> frozenset[Label]:
    """What the running call has come to bear so far: whatever it leaves behind bears that as well."""
    return frozenset(_LABELS.get() or ())
