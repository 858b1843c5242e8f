"""Git's patch text, taken apart: file by file, hunk by hunk. Hunks that are too long for a page are split."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from astro_mcp.core.record import record

_OPENING: Final = b"diff --git "
_SIDES: Final = rb"-(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)"
_HEADER: Final = re.compile(_SIDES)
HUNK: Final = re.compile(rb"@@ " + _SIDES)
LONGEST: Final = 150
"""Lines of one hunk; a longer one is handed out as several that stand for themselves."""
WIDEST: Final = 2000
"""Bytes of one line; what is longer is cut, and says so."""
ENDLESS: Final = b"\\ No newline at end of file"
ABSENT: Final = "000000"
"""The mode of what is not there."""
NAME: Final = 12
"""Hexadecimal digits of a hunk's id."""
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPES: Final = {97: 7, 98: 8, 116: 9, 110: 10, 118: 11, 102: 12, 114: 13, 34: 34, 92: 92}

OPTIONS: Final = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--ignore-submodules=dirty",
    "--submodule=short",
    "--find-renames",
    "-l400",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
"""What every diff is told; `-l` bounds the search for renames. No submodule is entered."""


@record()
class FileStat:
    """One changed file. Lines are None for a binary one; `former` is its name before a rename, else ""; `modes` are
    both of its modes as git writes them where they differ, else ""."""

    path: str
    former: str
    additions: int | None
    deletions: int | None
    modes: str = ""


@record()
class Hunk:
    """`text` opens with its `@@` line. It puts the lines `new` in the place of the lines `old`, both counted from 0.

    `id` begins the `digest` of path and lines, wherever they stand, so that it outlives the commit of other hunks;
    where a file has two that read the same, it is `placed`.
    """

    id: str
    digest: str
    path: str
    former: str
    text: str
    old: range
    new: range

    @property
    def placed(self) -> str:
        """An id that names the line of the new file, too."""
        return hashlib.sha256(f"{self.new.start}\0{self.digest}".encode()).hexdigest()[:NAME]


def of_submodule(path: str, before: str, after: str) -> tuple[FileStat, Hunk]:
    """A submodule that went from one commit to another, as git tells it with `--submodule=short`."""
    body = b"-Subproject commit %s\n+Subproject commit %s" % (before.encode(), after.encode())
    return FileStat(path, "", 1, 1), _piece(_File.of(path, ""), body, body, range(1), range(1), b"")


def parse_numstat(out: bytes) -> list[FileStat]:
    """`git diff --numstat -z`, with `--raw` or without."""
    found: list[FileStat] = []
    modes: dict[str, str] = {}
    records = iter(os.fsdecode(out).split("\0"))
    for entry in records:
        if entry.startswith(":"):
            path = next(records, "")
            path = next(records, "") if entry.rpartition(" ")[2][:1] in ("R", "C") else path
            modes[path] = modes_of(entry)
            continue
        added, _, rest = entry.partition("\t")
        removed, tab, path = rest.partition("\t")
        if not tab:
            continue
        former = "" if path else next(records, "")
        path = path or next(records, "")
        lines = (None, None) if added == "-" else (int(added), int(removed))
        found.append(FileStat(path, former, lines[0], lines[1], modes.get(path, "")))
    return found


def modes_of(entry: str) -> str:
    """Both modes of a file that has others now, of a line of `--raw`."""
    old, new = entry[1:].split(" ", 2)[:2]
    return "" if old == new or ABSENT in (old, new) else f"{old} -> {new}"


def same_names(out: bytes) -> set[bytes]:
    """Of the same: the names, old and new, of files whose content stays. No patch tells whether those are binary."""
    found: set[bytes] = set()
    records = iter(_raw_of(out).split(b"\0"))
    for entry in records:
        facts = entry.split(b" ")
        if entry.startswith(b":") and len(facts) == 5:
            names = [next(records, b"") for _ in range(2 if facts[4][:1] in (b"R", b"C") else 1)]
            found.update(names if facts[2] == facts[3] else ())
    return found


def _raw_of(change: bytes) -> bytes:
    """What stands above the patch, which may be long, and is not copied."""
    end = change.find(b"\0\0")
    return change if end < 0 else change[:end]


def sections_of(patch: bytes) -> list[list[bytes]]:
    """What is said of each file: what stands above its hunks, then each from after its first `@@ `. A line of content
    begins with a space, +, - or \\, so that none passes for a line that opens a file, or a hunk."""
    found = patch.split(b"\ndiff --git ")
    found[0] = found[0].removeprefix(_OPENING)
    found[-1] = found[-1].removesuffix(b"\n")
    return [section.split(b"\n@@ ") for section in (found if patch.startswith(_OPENING) else found[1:])]


def lines_of(section: Sequence[bytes]) -> tuple[int, int] | None:
    """Lines added and removed; None for a binary file. A hunk's header tells how many lines it has of the old file, and
    how many of the new one: all that it has but the old ones were added."""
    head, *hunks = section
    if not hunks and b"\nBinary files " in head:
        return None
    added = removed = 0
    for text in hunks:
        sides = _HEADER.match(text)
        count = text.count(b"\n") - (text.count(b"\n" + ENDLESS) if text is hunks[-1] else 0)
        added += count - int(sides[2] or 1) if sides else 0
        removed += count - int(sides[4] or 1) if sides else 0
    return added, removed


def parse_patch(out: bytes, *, cut: bool = False) -> list[Hunk]:
    """Every hunk of a patch. With `cut` the text ends anywhere, and a last hunk that is not whole is left out."""
    return told_apart(hunks_of(sections_of(out[: out.rfind(b"\n")] if cut else out), cut=cut))


def hunks_of(sections: Sequence[Sequence[bytes]], *, cut: bool = False) -> list[Hunk]:
    """Every hunk of these sections, as `parse_patch` tells them but for ids that are equal."""
    found: list[Hunk] = []
    for section in sections:
        head, *hunks = section
        if hunks:
            file = _File.of(*_named(head))
            for text in hunks:
                found += _hunks(file, text, cut=cut and section is sections[-1] and text is hunks[-1])
    return found


def told_apart(hunks: Sequence[Hunk]) -> list[Hunk]:
    """All hunks of a patch; of those that have the same id each gets one that says where it stands."""
    same = Counter(hunk.id for hunk in hunks)
    return [hunk if same[hunk.id] == 1 else replace(hunk, id=hunk.placed) for hunk in hunks]


class _File(NamedTuple):
    """Names of a file, now and before a rename, and what the digests of its hunks begin with."""

    path: str
    former: str
    mark: bytes

    @classmethod
    def of(cls, path: str, former: str) -> _File:
        return cls(path, former, os.fsencode(path) + b"\0")


def _named(head: bytes) -> tuple[str, str]:
    """A file's name, and the one before a rename, out of what stands above its hunks. (A name holds no line feed.)"""
    above, _, after = head.rpartition(b"\n+++ ")
    above, _, before = above.rpartition(b"\n--- ")
    former = ""
    if (at := above.find(b"\nrename from ")) >= 0:
        former = name_of(above[at + 13 :].split(b"\n", 1)[0])
    if after == b"/dev/null":
        return name_of(before).removeprefix("a/"), former
    return name_of(after).removeprefix("b/"), former


def _hunks(file: _File, text: bytes, *, cut: bool) -> list[Hunk]:
    """One hunk from after its first `@@ `, in pieces of at most LONGEST lines that stand for themselves."""
    sides = _HEADER.match(text)
    if sides is None:
        return []  # cut within its header
    first, removed, second, added, heading = sides.groups()
    body = text[sides.end() + 1 :]
    old, new = int(first) - (removed != b"0"), int(second) - (added != b"0")
    counts = int(removed or 1), int(added or 1)
    if not cut and body.count(b"\n") < LONGEST and not _is_wide(body):
        return [_piece(file, body, body, range(old, old + counts[0]), range(new, new + counts[1]), heading)]
    if cut and _sides(body) != counts:
        return []
    lines = body.split(b"\n")
    found: list[Hunk] = []
    for start in range(0, len(lines), LONGEST):
        piece = lines[start : start + LONGEST]
        whole = b"\n".join(piece)
        if removed == b"0" or added == b"0":  # nothing but lines that came, or that went
            count = len(piece) - piece.count(ENDLESS)
            counts = (0, count) if removed == b"0" else (count, 0)
        else:
            counts = _sides(whole)
        found.append(
            _piece(file, whole, narrowed(whole), range(old, old + counts[0]), range(new, new + counts[1]), heading)
        )
        old, new = old + counts[0], new + counts[1]
    return found


def narrowed(lines: bytes) -> bytes:
    """As they are shown: one that is over WIDEST bytes is cut, and says so."""
    if not _is_wide(lines):
        return lines
    return b"\n".join(line if len(line) <= WIDEST else line[:WIDEST] + b" [line cut]" for line in lines.split(b"\n"))


def _is_wide(lines: bytes) -> bool:
    """Whether one of them is over WIDEST bytes."""
    start = 0
    while len(lines) - start > WIDEST:
        end = lines.rfind(b"\n", start, start + WIDEST + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _sides(body: bytes) -> tuple[int, int]:
    """How many of a hunk's lines the old file has, and how many the new one."""
    both = body.count(b"\n ") + body.startswith(b" ")
    return (
        both + body.count(b"\n-") + body.startswith(b"-"),
        both + body.count(b"\n+") + body.startswith(b"+"),
    )


def _piece(file: _File, lines: bytes, shown: bytes, old: range, new: range, heading: bytes) -> Hunk:
    """A side without lines is named by the line before it."""
    removed, added = len(old), len(new)
    header = b"@@ -%d,%d +%d,%d @@%s\n" % (
        old.start + (removed > 0),
        removed,
        new.start + (added > 0),
        added,
        heading,
    )
    text = (header + shown).decode("utf-8", "replace")
    named = hashlib.sha256(file.mark)
    named.update(lines)
    digest = named.hexdigest()
    return Hunk(digest[:NAME], digest, file.path, file.former, text, old, new)


def name_of(raw: bytes) -> str:
    """A name of a header line: quoted as in C where it has to be, and followed by a tab where it holds a space."""
    quoted = _QUOTED.match(raw) if raw.startswith(b'"') else None
    if quoted is None:
        return os.fsdecode(raw.removesuffix(b"\t"))
    return os.fsdecode(re.sub(rb"\\([0-7]{3}|.)", _unescape, quoted[1]))


def _unescape(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8) if len(found[1]) == 3 else _ESCAPES.get(found[1][0], found[1][0])])
