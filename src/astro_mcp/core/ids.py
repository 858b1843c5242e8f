"""Identifiers: UUIDv7 (RFC 9562, section 5.7) behind a prefix that names the kind."""

from __future__ import annotations

import os
import time
from typing import Final

_VARIANT: Final = "89ab"
"""The digits whose first two bits are 10."""


def uuid7() -> str:
    """A time-ordered UUID in 32 hexadecimal digits: 48 bits of Unix milliseconds, then 74 random bits."""
    stamp = (time.time_ns() // 1_000_000) & 0xFFFF_FFFF_FFFF
    random = os.urandom(10)
    digits = random.hex()
    return f"{stamp:012x}7{digits[:3]}{_VARIANT[random[9] & 3]}{digits[3:18]}"


def new_id(prefix: str) -> str:
    """`run_0190…`: the kind, an underscore, 32 hexadecimal digits that sort by time."""
    return f"{prefix}_{uuid7()}"
