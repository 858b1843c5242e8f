"""Cuts what has no pages: the longest strings to head and tail, then the longest lists to their heads; always told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from astro_mcp.faces.mcp.shape import Shape, weight

_LEAST: Final = 200


def trim(shape: Shape, most: int, note: str) -> Shape:
    """`shape` within `most` bytes, with `note` where something is missing."""
    share = most // (2 if shape.text is not None and shape.structured is not None else 1)
    text = None if shape.text is None else _trim_text(shape.text, share, note)
    structured = None if shape.structured is None else _trim_tree(shape.structured, share, note)
    return replace(Shape.weighed(text, structured), meta=shape.meta)


def _trim_text(text: str, most: int, note: str) -> str:
    if weight(text) <= most:
        return text
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        if weight(head_and_tail(text, middle, note)) <= most:
            low = middle
        else:
            high = middle
    return head_and_tail(text, low, note)


def head_and_tail(text: str, kept: int, note: str) -> str:
    """Two thirds of `kept` characters from the head, one third from the tail, and the note between."""
    tail = kept // 3
    return f"{text[: kept - tail]}\n{note}\n{text[len(text) - tail :] if tail else ''}"


def _trim_tree(tree: dict[str, Any], most: int, note: str) -> dict[str, Any]:
    if weight(tree) <= most:
        return tree
    tree = {**_copied(tree), "cut": note}
    text, items = _longest(tree)
    bound, over = most, True
    while over and bound > _LEAST:
        bound //= 2
        if text > bound + len(note):  # there is nothing to look for before
            _shorten_strings(tree, bound, note)
            over = weight(tree) > most
    length = 1024
    while over and length > 1:
        length //= 2
        if items > length:
            _shorten_lists(tree, length)
            over = weight(tree) > most
    return tree


def _copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copied(value) for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list) else node


def _longest(tree: Any) -> tuple[int, int]:
    """The lengths of the longest string and of the longest list."""
    text = items = 0
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            text = max(text, len(node))
        elif isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            items = max(items, len(node))
            waiting.extend(node)
    return text, items


def _shorten_strings(node: Any, bound: int, note: str) -> None:
    for key, value in _children(node):
        if isinstance(value, str) and len(value) > bound + len(note) and value != note:
            node[key] = head_and_tail(value, bound, "[…]")
        else:
            _shorten_strings(value, bound, note)


def _shorten_lists(node: Any, length: int) -> None:
    for key, value in _children(node):
        if isinstance(value, list) and len(value) > length:
            node[key] = value[:length]
        _shorten_lists(node[key], length)


def _children(node: Any) -> list[tuple[Any, Any]]:
    if isinstance(node, dict):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list) else []
