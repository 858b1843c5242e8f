"""Text to plain data, within bounds: YAML or JSON, no aliases, no duplicate keys, no depth, no dates."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.workflow.document.bounds import BYTES, DEPTH
from astro_mcp.workflow.document.values import sound, text_size, too_large


def load(text: str, what: str = "the document") -> Any:
    """Plain JSON data; raises `InvalidInput` with the line, or `TooLarge` over 128 KiB."""
    if (size := text_size(text, what)) > BYTES:
        raise too_large(what, size)
    try:
        value = _json(text, what) if text.lstrip().startswith(("{", "[")) else _yaml(text, what)
    except RecursionError:
        raise InvalidInput(f"{what} is deeper than {DEPTH} levels") from None
    except ValueError as error:
        raise InvalidInput(f"{what} can't be read: {str(error)[:120]}") from None
    sound(value, what)
    return value


def unfenced(text: str) -> str:
    """A text without the Markdown fence around it; its lines stay where they are."""
    lines = text.strip().splitlines()
    fenced = len(lines) > 2 and lines[0].startswith("```") and lines[-1].strip() == "```"
    return "\n".join(["", *lines[1:-1]]) if fenced else text


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        with suppress(InvalidInput, TooLarge):
            return _yaml(text, what)  # a comma too many, single quotes: the same, in YAML
        raise InvalidInput(f"{what} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None


def _yaml(text: str, what: str) -> Any:
    import yaml  # noqa: PLC0415 - JSON is the advised form, and the daemon starts without this

    from astro_mcp.workflow.document.loader import load_yaml  # noqa: PLC0415 - it imports yaml

    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InvalidInput(f"{what} is no YAML: {where}{getattr(error, 'problem', None) or error}") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInput(f"the key {twice!r} stands there twice")
    return found
