"""Lines of a `.gitignore` as regular expressions of RE2, by git's own rules (gitignore(5), wildmatch.c): on bytes.

A rule is about an entry's own path, as git's are: what lies in a folder that is hidden is never looked at.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

FOLDER: Final = "\0"
"""After a folder's path: no name holds it."""
_NO_MEMBERS: Final = frozenset({ord("/"), ord(FOLDER)})
_ANY: Final = rb"[^\x00]"
_OF_NAME: Final = rb"[^/\x00]"
_FOLDERS: Final = b"(?:" + _ANY + b"*/)?"
_CLASSES: Final = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "blank": " \t",
    "cntrl": "".join(map(chr, [*range(32), 127])),
    "digit": string.digits,
    "graph": string.ascii_letters + string.digits + string.punctuation,
    "lower": string.ascii_lowercase,
    "print": string.ascii_letters + string.digits + string.punctuation + " ",
    "punct": string.punctuation,
    "space": string.whitespace,
    "upper": string.ascii_uppercase,
    "xdigit": string.hexdigits,
}


class _NeverFits(Exception):
    """The line is a pattern that nothing fits, as one with a bracket that is not closed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`expression` fits whole paths, relative to the file's folder; a folder's has `FOLDER` at its end."""

    hides: bool
    expression: bytes


@lru_cache(maxsize=1000)
def rule(line: bytes) -> Rule | None:
    """What a line says, None where that is nothing. `line` is without its end; for git a NUL is another."""
    line = line.partition(b"\0")[0]
    if line.startswith(b"#"):
        return None
    hides = not line.startswith(b"!")
    pattern = _without_spaces(line if hides else line[1:])
    folders_alone = pattern.endswith(b"/")
    pattern = pattern[:-1] if folders_alone else pattern
    anchored = b"/" in pattern
    try:
        expression = _expression(pattern[1:] if pattern.startswith(b"/") else pattern, anchored=anchored)
    except _NeverFits:
        return None
    if not expression:
        return None
    head = b"" if anchored else _FOLDERS
    return Rule(hides, head + expression + (rb"\x00" if folders_alone else rb"\x00?"))


def _without_spaces(pattern: bytes) -> bytes:
    """Without the spaces at its end, but for one behind a backslash."""
    bare = pattern.rstrip(b" ")
    escapes = len(bare) - len(bare.rstrip(b"\\"))
    return bare + b" " if escapes % 2 and len(bare) < len(pattern) else bare


def _expression(pattern: bytes, *, anchored: bool) -> bytes:
    parts: list[bytes] = []
    plain = re.match(rb"[^*?[\\]*", pattern)
    begin = plain.end() if plain and anchored else 0  # git compares what is plain first, and the rest as a pattern
    at = 0
    while at < len(pattern):
        one = pattern[at : at + 1]
        if one == b"*":
            at = _stars(pattern, at, begin, parts)
        elif one == b"[":
            members, at = _members(pattern, at + 1)
            parts.append(_class(members))
        elif one == b"?":
            parts.append(_OF_NAME)
            at += 1
        else:
            at += one == b"\\"
            if at >= len(pattern):
                raise _NeverFits
            parts.append(_byte(pattern[at]))
            at += 1
    return b"".join(parts)


def _stars(pattern: bytes, at: int, begin: int, parts: list[bytes]) -> int:
    """Take the stars at `at`; returns where they end. Two between slashes, or at `begin`, stand for folders, or for
    none."""
    end = at
    while pattern[end : end + 1] == b"*":
        end += 1
    free = end - at > 1 and (at == begin or pattern[at - 1 : at] == b"/")
    rest = pattern[end : end + 2]
    if free and rest[:1] == b"/":
        parts.append(_FOLDERS)
        return end + 1
    parts.append((_ANY if free and rest in (b"", b"\\/") else _OF_NAME) + b"*")
    return end


def _members(pattern: bytes, at: int) -> tuple[set[int], int]:
    """The bytes that the class after its bracket stands for, and where it ends. A slash is never one."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    found: set[int] = set()
    first, previous = True, -1
    while first or pattern[at : at + 1] != b"]":
        first = False
        if pattern[at : at + 2] == b"[:":
            end = pattern.find(b"]", at + 2)
            if end < 0 or pattern[end - 1 : end] != b":" or end - 1 < at + 2:
                if end < 0:
                    raise _NeverFits
                found.add(ord("["))  # an ordinary bracket
                previous = ord("[")
                at += 1
                continue
            name = pattern[at + 2 : end - 1].decode("latin-1")
            if name not in _CLASSES:
                raise _NeverFits
            found.update(map(ord, _CLASSES[name]))
            previous, at = -1, end + 1
            continue
        if pattern[at : at + 1] == b"-" and previous >= 0 and pattern[at + 1 : at + 2] not in (b"", b"]"):
            last, at = _literal(pattern, at + 1)
            found.update(range(previous, last + 1))
            previous = -1
            continue
        previous, at = _literal(pattern, at)
        found.add(previous)
    return (set(range(256)) - found if negated else found) - _NO_MEMBERS, at + 1


def _literal(pattern: bytes, at: int) -> tuple[int, int]:
    at += pattern[at : at + 1] == b"\\"
    if at >= len(pattern):
        raise _NeverFits
    return pattern[at], at + 1


def _class(members: set[int]) -> bytes:
    if not members:
        raise _NeverFits
    return b"[" + b"".join(rb"\x%02x" % member for member in sorted(members)) + b"]"


def _byte(value: int) -> bytes:
    return re.escape(bytes([value])) if value < 128 else rb"\x%02x" % value
