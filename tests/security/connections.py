"""What this process connects to: told by the interpreter itself, whoever asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WATCHING: list[list[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _WATCHING:
        for seen in _WATCHING:
            seen.append(repr(arguments[1]))


sys.addaudithook(_hear)  # for good: an audit hook can't be taken off


@contextmanager
def connections() -> Iterator[list[str]]:
    """The addresses that sockets are connected to meanwhile."""
    seen: list[str] = []
    _WATCHING.append(seen)
    try:
        yield seen
    finally:
        _WATCHING.remove(seen)
