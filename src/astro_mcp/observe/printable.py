"""Text from anywhere, made safe to show: no control characters, no escapes, no bidi or tag characters."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ODD: Final = re.compile(r"[^\n\t -~]")
"""What is looked at: all but plain ASCII."""
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")


def printable(text: str, limit: int | None = None) -> str:
    """`text` with each character that could hide, reorder or command replaced by its escape (`\\x1b`, `\\u202e`), and
    each byte that a name of the file system has beside UTF-8 (`\\xe9`).

    Letters of every script, line feeds and tabs stay, and so do the joiners that scripts and emoji need. `limit` is in
    characters.
    """
    cut = text if limit is None or len(text) <= limit else text[: max(0, limit - 1)] + "…"
    return _ODD.sub(_show, cut)


def _show(found: re.Match[str]) -> str:
    character = found[0]
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, in a name of the file system
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")
