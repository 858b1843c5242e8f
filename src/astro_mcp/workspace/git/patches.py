"""Git's patch text, taken apart: file by file, hunk by hunk. Hunks that are too long for a page are split."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

HUNK: Final = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)")
LONGEST: Final = 150
"""Lines of one hunk; a longer one is handed out as several that stand for themselves."""
WIDEST: Final = 2000
"""Bytes of one line; what is longer is cut, and says so."""
_ESCAPES: Final = {97: 7, 98: 8, 116: 9, 110: 10, 118: 11, 102: 12, 114: 13, 34: 34, 92: 92}

OPTIONS: Final = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--ignore-submodules=all",
    "--find-renames",
    "-l400",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
"""What every diff with the index or the working tree is told; `-l` bounds the search for renames."""
HISTORY: Final = (*(one for one in OPTIONS if "submodules" not in one), "--ignore-submodules=none", "--submodule=short")
"""What a diff of two commits is told: which commit a submodule was at is data of theirs, and nothing is entered."""


@dataclass(frozen=True, slots=True)
class FileStat:
    """One changed file. Lines are None for a binary one; `former` is its name before a rename, else ""."""

    path: str
    former: str
    additions: int | None
    deletions: int | None


@dataclass(frozen=True, slots=True)
class Hunk:
    """`text` opens with its `@@` line. It puts the lines `new` in the place of the lines `old`, both counted from 0.

    `id` names path and lines, wherever they stand, so that it outlives the commit of other hunks; where a file has two
    that read the same, it is `placed`, which names the line of the new file, too.
    """

    id: str
    placed: str
    path: str
    former: str
    text: str
    old: range
    new: range


@dataclass(frozen=True, slots=True)
class _Piece:
    """A hunk's lines as they are, and where they stand on both sides, counted from 0."""

    lines: list[bytes]
    old: range
    new: range
    heading: bytes

    def text(self) -> str:
        shown = (line if len(line) <= WIDEST else line[:WIDEST] + b" [line cut]" for line in self.lines)
        return b"\n".join([self._header(), *shown]).decode("utf-8", "replace")

    def _header(self) -> bytes:
        """A side without lines is named by the line before it."""
        old, new = (side.start + bool(side) for side in (self.old, self.new))
        return b"@@ -%d,%d +%d,%d @@%s" % (old, len(self.old), new, len(self.new), self.heading)


def parse_numstat(out: bytes) -> list[FileStat]:
    """`git diff --numstat -z`."""
    found: list[FileStat] = []
    records = iter(os.fsdecode(out).split("\0"))
    for record in records:
        added, _, rest = record.partition("\t")
        removed, tab, path = rest.partition("\t")
        if not tab:
            continue
        former = "" if path else next(records, "")
        path = path or next(records, "")
        lines = (None, None) if added == "-" else (int(added), int(removed))
        found.append(FileStat(path, former, *lines))
    return found


def parse_raw(out: bytes) -> list[FileStat]:
    """`git diff --raw -z --patch` of two trees: the lines of a file are counted in its patch, which git makes anyway.
    The patch is whole."""
    raw, _, patch = out.partition(b"\0\0")
    sections = iter(re.split(rb"(?m)^diff --git ", patch)[1:])
    found: list[FileStat] = []
    records = iter(os.fsdecode(raw).split("\0"))
    for record in records:
        if not record.startswith(":"):
            continue
        letter, path = record.rsplit(" ", 1)[1][0], next(records, "")
        former, path = (path, next(records, "")) if letter in "RC" else ("", path)
        # a file that became another kind of file has two sections: it goes, and it comes
        counts = [_lines_of(next(sections, b"")) for _ in range(2 if letter == "T" else 1)]
        whole = [one for one in counts if one is not None]
        lines = (
            (sum(one[0] for one in whole), sum(one[1] for one in whole)) if len(whole) == len(counts) else (None, None)
        )
        found.append(FileStat(path, former, *lines))
    return found


def _lines_of(section: bytes) -> tuple[int, int] | None:
    """Lines added and removed; None for a binary file. A line of content begins with a space, + or -."""
    start = section.find(b"\n@@ ")
    if start < 0:
        return None if b"\nBinary files " in section else (0, 0)
    return section.count(b"\n+", start), section.count(b"\n-", start)


def parse_patch(out: bytes, *, cut: bool = False) -> list[Hunk]:
    """Every hunk of a patch. With `cut` the text ends anywhere, and a last hunk that is not whole is left out."""
    found: list[Hunk] = []
    lines = deque((out[: out.rfind(b"\n") + 1] if cut else out).split(b"\n"))
    before, after, former = "", "", ""
    while lines:
        line = lines.popleft()
        if line.startswith(b"diff "):
            before, after, former = "", "", ""
        elif line.startswith(b"rename from "):
            former = _name(line[12:])
        elif line.startswith(b"--- "):
            before = _name(line[4:])
        elif line.startswith(b"+++ "):
            after = _name(line[4:])
        elif header := HUNK.match(line):
            body, whole = _body(header, lines)
            if whole or not cut:
                path = before.removeprefix("a/") if after == "/dev/null" else after.removeprefix("b/")
                found.extend(_hunk(path, former, piece) for piece in _split(header, body))
    same = Counter(hunk.id for hunk in found)
    return [hunk if same[hunk.id] == 1 else replace(hunk, id=hunk.placed) for hunk in found]


def _body(header: re.Match[bytes], lines: deque[bytes]) -> tuple[list[bytes], bool]:
    """The lines that the header announces, so that content can't pass for a header; and whether all were there.
    A line that says of the one before that it has no end belongs to them."""
    left, right = int(header[2] or 1), int(header[4] or 1)
    body: list[bytes] = []
    while left > 0 or right > 0 or (lines and lines[0].startswith(b"\\ ")):
        if not lines:
            return body, False
        line = lines.popleft()
        left -= line[:1] in (b" ", b"-")
        right -= line[:1] in (b" ", b"+")
        body.append(line)
    return body, True


def _split(header: re.Match[bytes], body: list[bytes]) -> Iterator[_Piece]:
    """The hunk, in pieces of at most LONGEST lines that stand for themselves."""
    old, new = (int(header[side]) - (header[side + 1] != b"0") for side in (1, 3))
    for start in range(0, len(body), LONGEST):
        lines = body[start : start + LONGEST]
        removed = sum(line[:1] in (b" ", b"-") for line in lines)
        added = sum(line[:1] in (b" ", b"+") for line in lines)
        yield _Piece(lines, range(old, old + removed), range(new, new + added), header[5])
        old, new = old + removed, new + added


def _hunk(path: str, former: str, piece: _Piece) -> Hunk:
    named = os.fsencode(path) + b"\0" + b"\n".join(piece.lines)
    placed = _digest(b"%d\0" % piece.new.start + named)
    return Hunk(_digest(named), placed, path, former, piece.text(), piece.old, piece.new)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _name(raw: bytes) -> str:
    """A name of a header line: quoted as in C where it has to be, and followed by a tab where it holds a space."""
    quoted = re.match(rb'"((?:[^"\\]|\\.)*)"', raw)
    if quoted is None:
        return os.fsdecode(raw.removesuffix(b"\t"))
    return os.fsdecode(re.sub(rb"\\([0-7]{3}|.)", _unescape, quoted[1]))


def _unescape(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8) if len(found[1]) == 3 else _ESCAPES.get(found[1][0], found[1][0])])
