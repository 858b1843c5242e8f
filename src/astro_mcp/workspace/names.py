"""Names as the most forgiving file system would see them, so that a guard can't be passed by a spelling.

Folded away: case, Unicode composition, characters that HFS+ ignores, trailing dots and spaces and stream suffixes that
NTFS drops. 8.3 short names count as the names that they stand for (the holes of CVE-2014-9390 and CVE-2019-1352).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_SHORT: Final = re.compile(r"(?P<stem>[^~.]{1,6})~[0-9]{1,3}(?:\.(?P<extension>[^.]{0,3}))?\Z")
_HASHED: Final = re.compile(r"[0-9a-f]{4}\Z")


def fold(name: str) -> str:
    """One component in its folded form."""
    if name.isascii() and name.isprintable():
        folded = name.lower()
    else:
        visible = "".join(character for character in name if unicodedata.category(character) not in ("Cf", "Cc"))
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", visible).casefold())
    if ":" in folded[1:]:
        folded = folded[: folded.index(":", 1)]
    return folded.rstrip(". ") or folded


class Names:
    """A set of folded names that also answers to their 8.3 forms; `names` are those in full."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(fold(name) for name in names)
        self._shorts = frozenset(_short(name) for name in self.names)
        self._starts = frozenset((stem[:2], extension) for stem, extension in self._shorts)

    def __contains__(self, folded: object) -> bool:
        if not isinstance(folded, str):
            return False
        if folded in self.names:
            return True
        found = _SHORT.match(folded) if "~" in folded else None
        if found is None:
            return False
        stem, extension = found["stem"], found["extension"] or ""
        hashed = len(stem) == 6 and _HASHED.match(stem, 2)
        return (stem, extension) in self._shorts or bool(hashed and (stem[:2], extension) in self._starts)


def _short(folded: str) -> tuple[str, str]:
    """Stem and extension of the 8.3 form that Windows makes of a long name, without its `~1`."""
    stem, dot, extension = folded.lstrip(".").rpartition(".")
    if not dot:
        stem, extension = folded.lstrip("."), ""
    squeezed = re.sub(r"[ .]", "", stem)
    return squeezed[:6], extension[:3]
