"""What a push would hand over, and the keys in it: files and messages of every commit that the host does not have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from astro_mcp.errors import LimitHit, Problem, ProtectedPath, TooLarge
from astro_mcp.workspace.git.commits import AT_ONCE, LARGEST
from astro_mcp.workspace.git.keys import TOLD, Key, counted, find_keys
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.text import one_line

OBJECTS: Final = 200_000
"""Objects that are looked through."""
BYTES: Final = 512 << 20
NAMES: Final = 32 << 20
_CHANGES: Final = ("diff-tree", "--stdin", "--root", "-r", "-c", "--raw", "-z", "--no-renames", "--no-commit-id")
"""Files of commits that none of their parents has so; what a parent has so is told of there, or the host has it."""
_KINDS: Final = ("blob", "commit")
_OLD: Final = ("a file that stayed as it was",)
_BY_HAND: Final = "a person can look them through, and push with git itself"


@dataclass(frozen=True, slots=True)
class _Object:
    """A file's content or a commit; `paths` are the names it has in the commits that would leave, none of a commit."""

    sha: str
    paths: tuple[str, ...]
    size: int

    @property
    def path(self) -> str:
        """The name that it is told by, "" for a commit."""
        return self.paths[0] if self.paths else ""


async def check(repository: Repository, sha: str, known: Sequence[str], base: str) -> int:
    """Look through all that is reachable from `sha` and not from `known`; returns how many commits those are.

    What stands in the same file of the commit `base` is no news. Raises `ProtectedPath` with the places of keys and the
    names on the secrets list, `TooLarge` and `LimitHit` for more than is looked through.
    """
    objects = await _objects(repository, sha, known)
    if hidden := await repository.blocking(partial(_hidden, repository, objects)):
        raise ProtectedPath(
            f"{one_line(hidden[0], 200)} holds secrets by its name, and would be pushed; nothing was",
            "take it out of the commits that were not pushed yet",
            problems=tuple(Problem(one_line(path, 200), "on the secrets list") for path in hidden[:50]),
        )
    found: list[Key] = []
    for group in _groups(objects):
        found += await _scan(repository, group, base)
        if len(found) >= TOLD:
            break
    if found:
        raise ProtectedPath(
            f"{counted(found)} places of commits that would be pushed look like keys; nothing was pushed",
            "take them out of those commits (a key that was shared is to be changed)",
            problems=tuple(Problem(f"{one_line(k.path, 200)}:{k.line}", f"looks like a {k.kind}") for k in found[:50]),
        )
    return sum(not item.paths for item in objects)


def _hidden(repository: Repository, objects: Sequence[_Object]) -> list[str]:
    return sorted({path for item in objects for path in item.paths if not repository.readable(path)})


async def _objects(repository: Repository, sha: str, known: Sequence[str]) -> list[_Object]:
    asked = "".join(f"{one}\n" for one in (sha, *(f"^{other}" for other in known)))
    walk = ("rev-list", "--objects", "--no-object-names", "--stdin")
    ran = await repository.git(*walk, stdin=asked.encode(), limit=41 * OBJECTS)
    if ran.cut:
        raise LimitHit(f"more than {OBJECTS:,} objects would be pushed at once", _BY_HAND)
    told = await repository.git("cat-file", "--batch-check", stdin=ran.out) if ran.out else ran
    commits = await repository.blocking(partial(_commits, told.out))
    changes = await repository.git(*_CHANGES, stdin=commits, limit=NAMES) if commits else told
    if changes.cut:
        raise LimitHit("more files would be pushed at once than are looked through", _BY_HAND)
    found = await repository.blocking(partial(_read, told.out, changes.out))
    if sum(item.size for item in found) > BYTES:
        raise LimitHit(f"more than {BYTES >> 20} MiB would be pushed at once", _BY_HAND)
    if large := [item.path for item in found if item.size > LARGEST]:
        raise TooLarge(f"{one_line(large[0], 200)} holds over {LARGEST:,} bytes", _BY_HAND)
    return found


def _commits(told: bytes) -> bytes:
    return b"".join(row[:40] + b"\n" for row in told.splitlines() if row[40:].startswith(b" commit "))


def _read(told: bytes, changes: bytes) -> list[_Object]:
    """The contents and commits among what would leave. A content that no change brought is one of before."""
    names = _names(changes)
    rows = (row.split(" ") for row in told.decode().splitlines())
    return [
        _Object(name, names.get(name, _OLD) if kind == "blob" else (), int(size))
        for name, kind, size in rows
        if kind in _KINDS
    ]


def _names(changes: bytes) -> dict[str, tuple[str, ...]]:
    """The names that each content has. A change is two fields: one sign, mode and sha for each parent, then mode and
    sha of the file, and its letters; and its name."""
    found: dict[str, dict[str, None]] = {}
    fields = changes.split(b"\0")
    for change, name in zip(fields[::2], fields[1::2], strict=False):
        found.setdefault(change.rsplit(b" ", 2)[1].decode(), {})[os.fsdecode(name)] = None
    return {sha: tuple(names) for sha, names in found.items()}


def _groups(objects: Sequence[_Object]) -> list[list[_Object]]:
    groups: list[list[_Object]] = [[]]
    size = 0
    for item in objects:
        if groups[-1] and size + item.size > AT_ONCE:
            groups.append([])
            size = 0
        groups[-1].append(item)
        size += item.size
    return [group for group in groups if group]


async def _scan(repository: Repository, group: Sequence[_Object], base: str) -> list[Key]:
    stdin = "".join(f"{item.sha}\n" for item in group).encode()
    ran = await repository.git("cat-file", "--batch", stdin=stdin, limit=4 * AT_ONCE)
    found = await repository.blocking(partial(_keys, group, ran.out))
    news: list[Key] = []
    for item, data in found:
        old = b""
        if base and item.path:
            spec = os.fsencode(f"{base}:{item.path}")
            old = (await repository.git("cat-file", "blob", spec, good=(0, 128))).out
        name = item.path or f"message of {item.sha[:12]}"
        news += await repository.blocking(partial(find_keys, name, data, old))
        if len(news) >= TOLD:
            break
    return news[:TOLD]


def _keys(group: Sequence[_Object], out: bytes) -> list[tuple[_Object, bytes]]:
    """Those with something that looks like a key, each with its bytes."""
    found = []
    at = 0
    for item in group:
        begin = out.index(b"\n", at) + 1
        data = out[begin : begin + item.size]
        at = begin + item.size + 1
        if find_keys(item.path, data):
            found.append((item, data))
    return found
