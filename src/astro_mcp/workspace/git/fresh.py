"""A commit that was just made, read without git: what a log tells of it.

Its objects are files of their own still, and in the kernel's memory; each is what its name says, for it is hashed. Only
what every diff would count alike is counted here: lines in one place of a file, where old and new have none in common,
and files that came or went. Whatever else there is, is git's to tell: renames, links, submodules, what is binary, has
attributes, is packed, or cut off; and names that `.mailmap` may change.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Final

from astro_mcp.workspace.git.attributes import COUNTED, LARGEST, endings
from astro_mcp.workspace.git.glimpse import MAILMAP
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.watch import ATTRIBUTES

FIELD: Final = 10_000
"""Bytes of a name or a subject that a log tells."""
FILES: Final = 16
"""That one commit changes; a folder counts as one."""
DEEP: Final = 64
"""Folders one in another."""
ROOM: Final = 256 * 1024
"""Bytes that all objects of a commit unpack to: that many take a millisecond, on the event loop."""
_COMMIT: Final = re.compile(
    rb"tree (?P<tree>[0-9a-f]{40})\nparent (?P<parent>[0-9a-f]{40})\n"
    rb"author (?P<author>[^<>\s\0](?:[^<>\n\0]*[^<>\s\0])?) <(?P<mail>[^<>\n\0]*)>"
    rb" (?P<at>[0-9]{1,10}) (?P<zone>[+-][0-9]{4})\n"
    rb"committer [^\n\0]*\n\n(?P<subject>[^\s\0](?:[^\n\0]*[^\s\0])?)(?:\n|\n\n[^\0]*)?"
)
"""With one parent, no signature, no encoding, and a subject of one line. Older gits write dates before 1970."""
_NAMED: Final = re.compile(rb"([1-7][0-7]{4,5}) ([^\0]+)\0(.{20})", re.DOTALL)
_TREE: Final = re.compile(rb"(?:[1-7][0-7]{4,5} [^\0]+\0.{20})*", re.DOTALL)
_PLAIN: Final = (b"100644", b"100755")
_FOLDER: Final = b"40000"
_LINE: Final = ord("\n")

Entry = tuple[bytes, bytes]
"""Mode and sha, twenty bytes, of a name in a tree."""


_NOTHING: Final[Entry] = (b"", b"")


class _Unlike(Exception):
    """This is none of what is told here."""


def told_here(repository: Repository, sha: str) -> bytes | None:
    """The record of a commit as `logged` keeps it, or None where git has to tell. Blocks for nothing."""
    layout, memory = repository.layout, repository.memory
    if memory.cut or layout.common != layout.worktree / ".git":
        return None
    try:
        objects = _Objects(repository)
        record = _record(objects, sha)
        memory.recent = objects.found
        return record
    except (_Unlike, ValueError, zlib.error):
        return None


class _Objects:
    """The loose objects of a repository, up to `ROOM` bytes of them. What the last commit left, which was told here, is
    what this one begins with, and not read again."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.found: dict[str, bytes] = {}
        self._left = ROOM

    def read(self, sha: str, kind: bytes) -> bytes:
        data = self.repository.memory.recent.get(sha) or self._unpacked(sha)
        self._left -= len(data)
        self.found[sha] = data
        head, _, body = data.partition(b"\0")
        if head != b"%s %d" % (kind, len(body)) or self._left <= 0:
            raise _Unlike
        return body

    def _unpacked(self, sha: str) -> bytes:
        file = self.repository.known(self.repository.place(f".git/objects/{sha[:2]}/{sha[2:]}"), self._left)
        if file is None:
            raise _Unlike
        unpacked = zlib.decompressobj()
        data = unpacked.decompress(file[0], self._left)
        if not unpacked.eof or hashlib.sha1(data, usedforsecurity=False).hexdigest() != sha:
            raise _Unlike
        return data

    def tree(self, sha: str) -> dict[bytes, Entry]:
        data = self.read(sha, b"tree")
        if not _TREE.fullmatch(data):
            raise _Unlike
        return {name: (mode, named) for mode, name, named in _NAMED.findall(data)}

    def text(self, sha: str) -> bytes:
        data = self.read(sha, b"blob") if sha else b""
        if b"\0" in data:
            raise _Unlike
        return data


def _record(objects: _Objects, sha: str) -> bytes:
    found = _COMMIT.fullmatch(objects.read(sha, b"commit"))
    former = objects.repository.memory.logged.get(found["parent"].decode()) if found else None
    if found is None or former is None or _is_mapped(objects.repository, found["mail"]):
        raise _Unlike
    for part in ("author", "subject"):
        found[part].decode("utf-8")
        if len(found[part]) > FIELD:
            raise _Unlike
    before, tree = former.split(b"\0", 2)[1], found["tree"]
    changes = list(_changes(objects, "", before.decode(), tree.decode())) if before != tree else []
    came = any(not old for _, old, _ in changes)
    gone = any(not new for _, _, new in changes)
    if (came and gone) or len(changes) > FILES or _differently(objects, [path for path, _, _ in changes]):
        raise _Unlike  # renames are found where files came and went
    added = removed = 0
    for _, old, new in changes:
        more, less = _counted(objects.text(old), objects.text(new))
        added, removed = added + more, removed + less
    size = b"%d file %d insertion %d deletion" % (len(changes), added, removed)
    return b"\0".join([found["parent"], tree, found["author"], _date(found), found["subject"], size])


def _is_mapped(repository: Repository, mail: bytes) -> bool:
    """Whether `.mailmap` may name who has this address. True also where that can't be told without a wait."""
    place = repository.place(MAILMAP)
    if repository.lacks(place):
        return False
    found = repository.known(place, LARGEST)
    return found is None or mail.strip().lower() in found[0].lower()


def _changes(objects: _Objects, folder: str, old: str, new: str) -> Iterator[tuple[str, str, str]]:
    """The path of each file that differs, and its blobs, "" where it came or went."""
    before, after = objects.tree(old), objects.tree(new)
    names = {name for name, _ in before.items() ^ after.items()}
    if len(names) > FILES or folder.count("/") > DEEP:
        raise _Unlike
    for name in names:
        (mode, was), (now_mode, now) = before.get(name, _NOTHING), after.get(name, _NOTHING)
        if mode == now_mode == _FOLDER:
            yield from _changes(objects, f"{folder}{name.decode()}/", was.hex(), now.hex())
        elif {mode, now_mode} - {b""} <= set(_PLAIN) and (mode == now_mode or not (mode and now_mode)):
            yield f"{folder}{name.decode()}", was.hex(), now.hex()
        else:
            raise _Unlike


def _differently(objects: _Objects, paths: list[str]) -> bool:
    """Whether attributes may have one of these compared in another way: by a file above it, or in the index in place
    of one. True also where that can't be told without a wait."""
    repository = objects.repository
    folders = {""}
    for path in paths:
        parts = path.split("/")
        folders.update("".join(f"{part}/" for part in parts[:count]) for count in range(1, len(parts)))
    index = repository.known(repository.place(".git/index"), ROOM)
    # in the fourth version a name may be the end of one alone
    if index is None or index[0][4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        return True
    rules: list[bytes | None] = []
    for name in (f"{folder}{ATTRIBUTES}" for folder in sorted(folders)):
        if not repository.lacks(repository.place(name)):
            found = repository.known(repository.place(name), LARGEST)
            rules.append(None if found is None else found[0])
        elif name.encode() + b"\0" in index[0]:
            return True
    named = endings(rules, COUNTED)
    return bool(named) and any(path.encode().lower().endswith(named) for path in paths)


def _counted(old: bytes, new: bytes) -> tuple[int, int]:
    """Lines that are added and removed between what both begin and end with."""
    most = min(len(old), len(new))
    first = _alike(most, lambda start, end: old[start:end] == new[start:end])
    first = old.rfind(b"\n", 0, first) + 1
    last = _alike(most - first, lambda start, end: _tail(old, start, end) == _tail(new, start, end))
    if not all(len(text) - last == first or text[len(text) - last - 1] == _LINE for text in (old, new)):
        begins = old.find(b"\n", len(old) - last) + 1
        last = len(old) - begins if begins else 0
    gone, come = _lines(old[first : len(old) - last]), _lines(new[first : len(new) - last])
    if not set(gone).isdisjoint(come):
        raise _Unlike
    return len(come), len(gone)


def _alike(most: int, same: Callable[[int, int], bool]) -> int:
    """How many bytes are: so many that `same` says it of, which begins where it was said before."""
    known, unknown = 0, most
    while known < unknown:
        middle = (known + unknown + 1) // 2
        if same(known, middle):
            known = middle
        else:
            unknown = middle - 1
    return known


def _tail(text: bytes, start: int, end: int) -> bytes:
    """As `text[start:end]`, counted from its end."""
    return text[len(text) - end : len(text) - start]


def _lines(text: bytes) -> list[bytes]:
    """A last line that has no end is unlike one that has."""
    lines = text.split(b"\n")
    if lines[-1]:
        lines[-1] += b"\n"
    else:
        del lines[-1]
    return lines


def _date(found: re.Match[bytes]) -> bytes:
    zone = int(found["zone"])
    minutes = (1 if zone >= 0 else -1) * (abs(zone) // 100 * 60 + abs(zone) % 100)
    if abs(zone) % 100 >= 60:
        raise _Unlike
    moment = datetime.fromtimestamp(int(found["at"]), timezone(timedelta(minutes=minutes)))
    return moment.isoformat().encode()
