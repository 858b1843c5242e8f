"""JSON as it is stored."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pydantic_core import to_json

DIGITS: Final = 4_300
"""Of a number, which Python reads at most."""
_LONG: Final = re.compile(rb"[0-9]{%d}" % (DIGITS + 1))


def stored_json(value: Any) -> str:
    """JSON data as compact ASCII: any text can be bound then, half a character too, and reads back equal. Raises
    ValueError for a number that would not."""
    try:
        out = to_json(value, ensure_ascii=True)
    except ValueError:  # half a character, or very deep: the standard library takes these, five times slower
        return json.dumps(value, separators=(",", ":"))
    if len(out) > DIGITS and _LONG.search(out):  # in a text, or a number: the standard library knows
        return json.dumps(value, separators=(",", ":"))
    return out.decode()
