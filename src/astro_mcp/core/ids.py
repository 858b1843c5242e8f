"""Identifiers: UUIDv7 (RFC 9562, section 5.7) behind a prefix that names the kind."""

from __future__ import annotations

import os
import time


def uuid7() -> int:
    """A time-ordered UUID: 48 bits of Unix milliseconds, then 74 random bits."""
    stamp = (time.time_ns() // 1_000_000) & 0xFFFF_FFFF_FFFF
    random = int.from_bytes(os.urandom(10), "big")
    return stamp << 80 | 0x7 << 76 | (random >> 62 & 0xFFF) << 64 | 0b10 << 62 | (random & (1 << 62) - 1)


def new_id(prefix: str) -> str:
    """`run_0190…`: the kind, an underscore, 32 hexadecimal digits that sort by time."""
    return f"{prefix}_{uuid7():032x}"
