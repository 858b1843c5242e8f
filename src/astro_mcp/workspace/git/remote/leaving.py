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
_BY_HAND: Final = "a person can look them through, and push with git itself"


@dataclass(frozen=True, slots=True)
class _Object:
    """A file's content or a commit; `path` is where the walk met it first, "" for a commit."""

    sha: str
    path: str
    size: int


async def check(repository: Repository, sha: str, known: Sequence[str], base: str) -> int:
    """Look through all that is reachable from `sha` and not from `known`; returns how many commits those are.

    What stands in the same file of the commit `base` is no news. Raises `ProtectedPath` with the places of keys and the
    names on the secrets list, `TooLarge` and `LimitHit` for more than is looked through.
    """
    objects = await _objects(repository, sha, known)
    hidden = sorted({item.path for item in objects if item.path and not repository.readable(item.path)})
    if hidden:
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
    return sum(not item.path for item in objects)


async def _objects(repository: Repository, sha: str, known: Sequence[str]) -> list[_Object]:
    asked = "".join(f"{one}\n" for one in (sha, *(f"^{other}" for other in known)))
    ran = await repository.git("rev-list", "--objects", "--stdin", stdin=asked.encode(), limit=NAMES)
    if ran.cut or ran.out.count(b"\n") > OBJECTS:
        raise LimitHit(f"more than {OBJECTS:,} objects would be pushed at once", _BY_HAND)
    stdin = await repository.blocking(lambda: b"".join(row[:40] + b"\n" for row in _rows(ran.out)))
    told = await repository.git("cat-file", "--batch-check", stdin=stdin) if stdin else ran
    found = await repository.blocking(partial(_parsed, ran.out, told.out))
    if sum(item.size for item in found) > BYTES:
        raise LimitHit(f"more than {BYTES >> 20} MiB would be pushed at once", _BY_HAND)
    if large := [item.path for item in found if item.size > LARGEST]:
        raise TooLarge(f"{one_line(large[0], 200)} holds over {LARGEST:,} bytes", _BY_HAND)
    return found


def _rows(out: bytes) -> list[bytes]:
    """One for each object: a name may hold every other character that ends a line."""
    return out.split(b"\n")[:-1]


def _parsed(walked: bytes, told: bytes) -> list[_Object]:
    paths = [row[41:] for row in _rows(walked)]
    found = []
    for path, line in zip(paths, told.decode().split("\n"), strict=False):
        name, kind, size = f"{line} 0".split(" ")[:3]
        if kind in ("blob", "commit"):
            found.append(_Object(name, os.fsdecode(path) if kind == "blob" else "", int(size)))
    return found


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
