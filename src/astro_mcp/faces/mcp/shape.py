"""A tool's value in the two forms of a result, safe for JSON and measured as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic_core import to_json

from astro_mcp.core.model import Output, Page
from astro_mcp.faces.mcp.peer import Profile

T = TypeVar("T", str, dict[str, Any])


@dataclass(frozen=True, slots=True)
class Shape:
    """What is sent: text, structured content, or both; `meta` goes into `_meta`. `size` are the bytes of both forms as
    JSON in UTF-8."""

    text: str | None
    structured: dict[str, Any] | None
    size: int
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Output, profile: Profile) -> Shape:
        """The forms that the profile reads; fields that are None are absent from the structured one."""
        structured = value.model_dump(mode="json", exclude_none=True) if profile.structured else None
        return cls.weighed(_text(value) if profile.text else None, structured)

    @classmethod
    def weighed(cls, text: str | None, structured: dict[str, Any] | None) -> Shape:
        """Both forms, each made `sound` and weighed in one pass."""
        size = 0
        if text is not None:
            text, size = _weighed(text, sound)
        if structured is not None:
            structured, more = _weighed(structured, _sound_tree)
            size += more
        return cls(text, structured, size)


def _text(value: Output) -> str:
    """Its text, which tells where a page goes on: some hosts read it alone."""
    text = value.text()
    if isinstance(value, Page) and value.next_cursor and value.next_cursor not in text:
        return f"{text}\n[cut; go on with cursor {value.next_cursor}]"
    return text


def _weighed(part: T, mended: Callable[[T], T]) -> tuple[T, int]:
    try:
        return part, len(to_json(part))
    except ValueError:  # half a character, or deeper than it goes
        part = mended(part)
        return part, weight(part)


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


def _sound_tree(body: dict[str, Any]) -> dict[str, Any]:
    return {sound(key): _sound_all(value) for key, value in body.items()}


def _sound_all(node: Any) -> Any:
    if isinstance(node, str):
        return sound(node)
    if isinstance(node, dict):
        return {sound(key): _sound_all(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_sound_all(item) for item in node]
    return node
