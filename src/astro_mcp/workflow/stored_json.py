"""JSON as it is stored."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_json


def stored_json(value: Any) -> str:
    """JSON data as compact ASCII: any text can be bound then, half a character too, and reads back equal."""
    try:
        return to_json(value, ensure_ascii=True).decode()
    except ValueError:  # half a character, or very deep: the standard library takes these, five times slower
        return json.dumps(value, separators=(",", ":"))
