"""Texts of which a file must hold one to have a hit: what a regular expression demands at least.

Read off the expression's own letters where they stand side by side at its top (Cox, "Regular Expression Matching with a
Trigram Index", 2012, has the idea). Whatever is not surely understood demands nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SHORTEST: Final = 3
"""Characters of a text that is worth looking for; shorter ones are nearly everywhere."""
BRANCHES: Final = 20

_FLAGS: Final = re.compile(r"\(\?([imsU]+)\)")
_COUNTED: Final = re.compile(r"\{\d+(?:,\d*)?\}")
_UNREAD: Final = re.compile(r"\\[QEpPxC0-9]|\(\?(?![:P<])|\0")
"""Escapes that take what follows along, and flags in the middle."""
_ATOMS: Final = "dDsSwWbBAzafnrtv"


@dataclass(frozen=True, slots=True)
class Required:
    """A file without any of `texts` has no hit; `ignore_case` says how they are to be compared."""

    texts: tuple[str, ...]
    ignore_case: bool = False


def required(pattern: str, *, regex: bool) -> Required | None:
    """What a file must hold for `pattern` to fit in it, or None where nothing can be said. `pattern` is valid."""
    if not regex:
        texts = [max(pattern.split("\n"), key=len)] if "\0" not in pattern else []
        return _worth(texts, ignore_case=False)
    flags = _FLAGS.match(pattern)
    rest = pattern[flags.end() :] if flags else pattern
    if _UNREAD.search(rest):
        return None
    ignore_case = bool(flags and "i" in flags[1])
    return _worth(_Reader(rest, ignore_case).branches(), ignore_case=ignore_case)


def _worth(texts: list[str], *, ignore_case: bool) -> Required | None:
    good = 0 < len(texts) <= BRANCHES and all(len(text) >= SHORTEST for text in texts)
    return Required(tuple(texts), ignore_case) if good else None


class _Reader:
    """Goes over an expression once and keeps the longest run of plain characters of each branch."""

    def __init__(self, pattern: str, ignore_case: bool) -> None:
        self._pattern = pattern
        self._ignore_case = ignore_case
        self._run = ""
        self._longest = ""
        self._branches: list[str] = []

    def branches(self) -> list[str]:
        """A text for each; none where the expression is not understood."""
        at = 0
        while at < len(self._pattern):
            at = self._step(at)
            if at < 0:
                return []
        self._branch()
        return self._branches

    def _step(self, at: int) -> int:
        """Take what stands at `at`; returns where the next thing is, or -1."""
        character = self._pattern[at]
        if character == "\\":
            return self._escape(at)
        if character in "[(":
            self._end_run()
            return _past_class(self._pattern, at) if character == "[" else _past_group(self._pattern, at)
        if character == "|":
            self._branch()
        elif character in "*?":
            self._drop_last()
        elif counted := _COUNTED.match(self._pattern, at):
            self._drop_last()
            return counted.end()
        elif character in ".^$+\n" or (self._ignore_case and not character.isascii()):
            self._end_run()
        else:
            self._run += character
        return at + 1

    def _escape(self, at: int) -> int:
        escaped = self._pattern[at + 1 : at + 2]
        if escaped in _ATOMS:
            self._end_run()
        elif escaped.isascii() and not escaped.isalnum():
            self._run += escaped
        else:
            return -1
        return at + 2

    def _drop_last(self) -> None:
        """The character before may be missing."""
        self._run = self._run[:-1]
        self._end_run()

    def _end_run(self) -> None:
        self._longest = max(self._longest, self._run, key=len)
        self._run = ""

    def _branch(self) -> None:
        self._end_run()
        self._branches.append(self._longest)
        self._longest = ""


def _past_class(pattern: str, at: int) -> int:
    """After the `]` of the class that begins at `at`, or -1."""
    at += 2 if pattern.startswith("[^", at) else 1
    if pattern.startswith("]", at):
        at += 1
    while at < len(pattern):
        if pattern[at] == "]":
            return at + 1
        if pattern.startswith("[:", at) and (end := pattern.find(":]", at + 2)) >= 0:
            at = end + 2
        else:
            at += 2 if pattern[at] == "\\" else 1
    return -1


def _past_group(pattern: str, at: int) -> int:
    """After the `)` of the group that begins at `at`, or -1."""
    depth = 0
    while 0 <= at < len(pattern):
        character = pattern[at]
        if character == "[":
            at = _past_class(pattern, at)
            continue
        depth += (character == "(") - (character == ")")
        at += 2 if character == "\\" else 1
        if depth == 0:
            return at
    return -1
