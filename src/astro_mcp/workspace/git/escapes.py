"""Paths as text that leads back to them: a byte that is no UTF-8 is told as `\\xe9`, and taken so.

A line feed is told as `\\x0a` where paths stand a line each, and taken so anywhere. A name may hold such four
characters itself. Its backslash is told as `\\x5c` then, so that no two paths are told alike.
"""

from __future__ import annotations

import os
import re
from typing import Final

_ALIKE: Final = re.compile(r"\\(?=x(?:0a|5c|[89a-f][0-9a-f]))")
_ESCAPED: Final = re.compile(rb"\\x(0a|5c|[89a-f][0-9a-f])")


def shown(path: str) -> str:
    """A path of the file system (bytes that are no UTF-8 are surrogates in it) as text."""
    if "\\x" in path:
        path = _ALIKE.sub(r"\\x5c", path)
    if path.isascii():  # nearly every one, of thousands
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def in_one_line(path: str) -> str:
    """The same as a line of its own."""
    return shown(path).replace("\n", "\\x0a")


def named(text: str) -> str:
    """The path that is told as this text; a text without such an escape is the path itself."""
    if "\\x" not in text:
        return text
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "surrogateescape")))
