"""The labels of the call that runs now, for what stands too deep to be handed its context: a guard that releases a
secret says so here, in whichever worker thread it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from astro_mcp.core.authority import Label

_LABELS: Final[ContextVar[set[Label] | None]] = ContextVar("labels", default=None)


@contextmanager
def bearing(labels: set[Label]) -> Iterator[None]:
    """While this lasts `bears` adds to `labels`, here and in worker threads and tasks that begin here."""
    token = _LABELS.set(labels)
    try:
        yield
    finally:
        _LABELS.reset(token)


def bears(label: Label) -> None:
    """What the running call gives carries `label`."""
    labels = _LABELS.get()
    if labels is not None:
        labels.add(label)
