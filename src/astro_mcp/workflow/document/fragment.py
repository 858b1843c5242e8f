"""Corrections as text: the words that stand at a problem's path instead, in YAML that any document takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

LONGEST: Final = 2_000
"""Characters of a correction; past it the value is not repeated."""
SAME: Final = "<as it is>"
_PLAIN: Final = re.compile(r"[a-z][a-z0-9_./@-]*")
_MEANS_MORE: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def shown(value: Any) -> str:
    """A value as YAML on one line: JSON, but for plain words."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _MEANS_MORE:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def fragment(words: Mapping[str, Any]) -> str:
    """`word: value`, one a line; `{}` where nothing stands there instead."""
    lines = []
    for word, value in words.items():
        text = shown(value)
        lines.append(f"{word}: {text if len(text) <= LONGEST else SAME}")
    return "\n".join(lines) or "{}"
