"""Which files `.gitattributes` may say something of: more than it does, and never fewer.

gitattributes(5): a line is a pattern and attributes. Only a pattern's last part is looked at, and only where it is a
name, or a `*` and an ending: whatever the pattern fits ends like that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

REWRITING: Final = frozenset({b"text", b"eol", b"crlf", b"ident", b"filter", b"working-tree-encoding"})
"""Attributes by which git compares a file with other bytes than those on disk, unless they are unset (`-text`)."""
COUNTED: Final = frozenset({b"diff", b"-diff", b"!diff", b"binary", b"-binary", b"!binary"})
"""Attributes by which it compares two blobs in another way than by the lines of what is text."""
LARGEST: Final = 64 * 1024
"""Bytes of a file of rules that is looked at."""
MANY: Final = 8
"""Files of rules that are looked at; where there are more, any file may be rewritten."""
ANY: Final = (b"",)
_PLAIN: Final = re.compile(rb"\*?([^*?\[\]\\\"]+)\Z")
_BLANK: Final = re.compile(rb"[ \t\r]+")
"""What git parts words by, and nothing else: a name may hold a vertical tab."""
_MARK: Final = b"\xef\xbb\xbf"


def endings(rules: Iterable[bytes | None], attributes: frozenset[bytes] = REWRITING) -> tuple[bytes, ...]:
    """What the path of a file ends with, in lower case, that may have one of the attributes, by the content of each
    file of rules; None is one that could not be read. Nothing: no file has. `ANY`: each may."""
    found: set[bytes] = set()
    for content in rules:
        if content is None:
            return ANY
        for line in content.removeprefix(_MARK).split(b"\n"):
            ending = _ending(line, attributes)
            if ending == b"":
                return ANY
            if ending:
                found.add(ending)
    return tuple(sorted(found))


def _ending(line: bytes, attributes: frozenset[bytes]) -> bytes | None:
    """None for a line that gives no file any of them, "" for one that may give them to any file."""
    pattern, *given = _BLANK.sub(b" ", line).strip(b" ").split(b" ")
    if not pattern or pattern.startswith(b"#"):
        return None
    if pattern.startswith(b"[attr]"):
        return b""  # a name for several, which any line may use
    if not any(attribute.partition(b"=")[0] in attributes for attribute in given):
        return None
    last = _PLAIN.match(pattern.rpartition(b"/")[2])
    return last[1].lower() if last else b""
