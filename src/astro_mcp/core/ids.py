"""Identifiers: UUIDv7 (RFC 9562, section 5.7) behind a prefix that names the kind."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Final

_VARIANT: Final = "89ab"
"""The digits whose first two bits are 10."""
_BYTES: Final = 10
_AT_ONCE: Final = 256
"""Random bytes of one id, and ids whose bytes are asked of the kernel together: each time that it is asked, another
thread may take the interpreter's lock."""
_random: Final[deque[str]] = deque()
os.register_at_fork(after_in_child=_random.clear)  # no two processes use the same


def uuid7() -> str:
    """A time-ordered UUID in 32 hexadecimal digits: 48 bits of Unix milliseconds, then 74 random bits."""
    stamp = (time.time_ns() // 1_000_000) & 0xFFFF_FFFF_FFFF
    return f"{stamp:012x}{_next()}"


def _next() -> str:
    """All of an id but its time, which nobody else gets, from any thread."""
    while True:
        try:
            return _random.popleft()
        except IndexError:
            many = os.urandom(_BYTES * _AT_ONCE)
            _random.extend(map(_digits, (many[at : at + _BYTES] for at in range(0, len(many), _BYTES))))


def _digits(random: bytes) -> str:
    digits = random.hex()
    return f"7{digits[:3]}{_VARIANT[random[9] & 3]}{digits[3:18]}"


def new_id(prefix: str) -> str:
    """`run_0190…`: the kind, an underscore, 32 hexadecimal digits that sort by time."""
    return f"{prefix}_{uuid7()}"
