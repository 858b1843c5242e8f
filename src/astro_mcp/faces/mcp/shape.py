"""A tool's value in the two forms of a result, safe for JSON and measured as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from astro_mcp.core.model import Output
from astro_mcp.faces.mcp.peer import Profile


@dataclass(frozen=True, slots=True)
class Shape:
    """What is sent: text, structured content, or both; `meta` goes into `_meta`."""

    text: str | None
    structured: dict[str, Any] | None
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Output, profile: Profile) -> Shape:
        """The forms that the profile reads."""
        text = sound(value.text()) if profile.text else None
        return cls(text, structure(value) if profile.structured else None)

    @property
    def size(self) -> int:
        """Bytes of both forms as JSON in UTF-8."""
        return sum(weight(part) for part in (self.text, self.structured) if part is not None)


def structure(value: Output) -> dict[str, Any]:
    """The value as JSON holds it: fields that are None are absent."""
    return sound_tree(value.model_dump(mode="json", exclude_none=True))


def sound_tree(body: dict[str, Any]) -> dict[str, Any]:
    """`body` with each string `sound`; itself where they all are."""
    try:
        to_json(body)
    except ValueError:
        return {sound(key): _sound_all(value) for key, value in body.items()}
    return body


def weight(part: Any) -> int:
    """Bytes of `part` as JSON in UTF-8."""
    try:
        return len(to_json(part))
    except ValueError:  # deeper than it goes
        return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())


def sound(text: str) -> str:
    """`text`, with each lone surrogate (a file name's stray byte) as its escape: JSON can't carry one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _sound_all(node: Any) -> Any:
    if isinstance(node, str):
        return sound(node)
    if isinstance(node, dict):
        return {sound(key): _sound_all(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_sound_all(item) for item in node]
    return node
