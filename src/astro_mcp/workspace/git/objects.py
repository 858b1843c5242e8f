"""Objects of a repository, asked of git processes that wait: names into shas, and what stands at a path of a tree."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from astro_mcp.errors import TooLarge, Unsupported
from astro_mcp.workspace.git.child import OUTPUT
from astro_mcp.workspace.git.repository import FETCH_THEM, Repository
from astro_mcp.workspace.git.waiting import CHECK, CONTENTS

HEADER: Final = 100
"""Bytes of the line before an object, more or less."""
FOLDER: Final = 1024 * 1024
"""Bytes of names of a folder that is asked for together with a file in it; of a larger one they are asked one by
one."""
_LASTING: Final = re.compile(r"[0-9a-f]{40}(?:[~^][0-9]{0,9}|\^\{(?:commit|tree)\})*")
"""A name that means one object for ever."""
_BLOBS: Final = ("file", "link")
_KINDS: Final = {b"40000": "folder", b"120000": "link", b"160000": "submodule"}


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a tree: `kind` is file, link, folder or submodule; bytes of a name that are no UTF-8 are
    surrogates."""

    name: str
    kind: str
    sha: str


async def shas_of(repository: Repository, *names: str) -> list[str]:
    """The full sha that git finds for each name, "" for none. No name holds a line feed."""
    known = repository.memory.found
    if unknown := [name for name in names if name not in known]:
        ran = await repository.ask(CHECK, *unknown)
        rows = ran.out.decode("utf-8", "replace").split("\n")[:-1]
        found = dict(zip(unknown, map(_sha, rows), strict=True))
        known.update((name, sha) for name, sha in found.items() if sha and _LASTING.fullmatch(name))
        return [found.get(name) or known.get(name, "") for name in names]
    return [known[name] for name in names]


async def trees_of(repository: Repository, *shas: str) -> list[str]:
    """The trees of commits or trees. Raises `Unsupported` where one is missing."""
    trees = await shas_of(repository, *(f"{sha}^{{tree}}" for sha in shas))
    if "" in trees:
        raise missing(shas[trees.index("")])
    return trees


async def bytes_of(repository: Repository, name: str, limit: int = OUTPUT) -> tuple[int, bytes]:
    """How many bytes an object has, and what it holds, of which only the size is whole past `limit`. Raises
    `Unsupported` where it is missing."""
    ran = await repository.ask(CONTENTS, name, limit=limit + HEADER)
    _, size, data, _ = _object(ran.out, name)
    return size, data


async def items_of(repository: Repository, tree: str) -> list[Item]:
    """The entries of a tree, or of a commit's, in git's order: `mode name NUL sha` each, the sha as 20 bytes."""
    size, data = await bytes_of(repository, f"{tree}^{{tree}}")
    return await repository.apart(size, lambda: _items(size, data))


async def held_at(repository: Repository, commit: str, path: str, limit: int) -> tuple[Item | None, int, bytes]:
    """What stands at a path of a commit, None where nothing does; of a file or a link also what `bytes_of` tells."""
    folder, _, last = path.rpartition("/")
    if "\n" not in path:  # a question is a line; what is not found by one is looked for step by step
        with suppress(Unsupported, TooLarge):
            names = f"{commit}:{folder}", f"{commit}:{path}"
            ran = await repository.ask(CONTENTS, *names, limit=limit + FOLDER + 2 * HEADER)
            kind, size, data, end = _object(ran.out, names[0])
            item = await repository.apart(size, partial(_named, kind, size, data, last))
            if item is None or item.kind not in _BLOBS:
                return item, 0, b""
            _, size, data, _ = _object(ran.out, names[1], end)
            if len(data) == size or size > limit:
                return item, size, data
    item = await _step_by_step(repository, commit, path)
    if item is None or item.kind not in _BLOBS:
        return item, 0, b""
    return item, *await bytes_of(repository, item.sha, limit)


async def _step_by_step(repository: Repository, commit: str, path: str) -> Item | None:
    item = Item("", "folder", commit)
    for part in path.split("/"):
        if item.kind != "folder":
            return None
        inner = [one for one in await items_of(repository, item.sha) if one.name == part]
        if not inner:
            return None
        item = inner[0]
    return item


def missing(name: str) -> Unsupported:
    """What is raised for an object that should be there."""
    return Unsupported(
        f"objects of this repository are missing (a partial clone, or a damaged one): {name[:40]}",
        FETCH_THEM,
    )


def _object(answer: bytes, name: str, start: int = 0) -> tuple[bytes, int, bytes, int]:
    """The object that begins at `start` of an answer: its kind and size, and what it holds; and where the next one
    begins. Answers may be large, and are not copied to be cut."""
    begin = answer.find(b"\n", start) + 1
    row = answer[start : begin - 1].split(b" ") if begin else []
    if len(row) != 3 or not row[2].isdigit():
        raise missing(name)
    size = int(row[2])
    return row[1], size, answer[begin : begin + size], begin + size + 1


def _named(kind: bytes, size: int, data: bytes, name: str) -> Item | None:
    """What has that name in an object, where it is a tree."""
    return next((one for one in _items(size, data) if one.name == name), None) if kind == b"tree" else None


def _items(size: int, data: bytes) -> list[Item]:
    if len(data) < size:
        raise TooLarge(f"a folder of this repository has {size:,} bytes of names")
    found: list[Item] = []
    position = 0
    while position < len(data):
        end = data.find(b"\0", position)
        if end < 0 or end + 21 > len(data):
            raise Unsupported("a folder of this repository is damaged", "git fsck tells more about the repository")
        mode, _, name = data[position:end].partition(b" ")
        found.append(Item(os.fsdecode(name), _KINDS.get(mode, "file"), data[end + 1 : end + 21].hex()))
        position = end + 21
    return found


def _sha(row: str) -> str:
    sha, _, rest = row.partition(" ")
    return sha if len(sha) == 40 and len(rest.split(" ")) == 2 and rest.split(" ")[1].isdigit() else ""
