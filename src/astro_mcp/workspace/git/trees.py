"""The files of a commit, as bytes: without a checkout, and without filters."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.errors import TooLarge, Unsupported
from astro_mcp.workspace.git.repository import FETCH_THEM, Repository, hostile

LISTING: Final = 64 * 1024 * 1024
"""Bytes of the list of a tree's files."""
LINK: Final = 4096


@dataclass(frozen=True, slots=True)
class TreeFile:
    """`path` is posix and relative to the repository's top."""

    path: str
    data: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    blob: str
    size: int


async def files_of(
    repository: Repository,
    commit: str,
    paths: Sequence[str],
    *,
    known: Mapping[str, bytes],
    max_files: int,
    max_bytes: int,
) -> list[TreeFile]:
    """The regular files at or below `paths` (none: all of them) in `commit`, a full sha, by path.

    A link to one of them counts as a copy. What is on the secrets list, a submodule, or named as no file may be is left
    out. `known` are bytes that may be the same ones: what has not changed is not read. Raises `TooLarge`, and
    `Unsupported` where objects are missing.
    """
    found = await _entries(repository, commit, paths)
    blobs = {file.blob: file.size for file in found.values()}
    if len(found) > max_files or sum(file.size for file in found.values()) > max_bytes:
        raise TooLarge(f"the commit has more than {max_files:,} files or {max_bytes:,} bytes there", "name fewer paths")
    held = await repository.blocking(lambda: _held(found, known))
    held |= await _read(repository, [blob for blob in blobs if blob not in held], max_bytes)
    by_path = dict(sorted(found.items()))
    regular = {path: file for path, file in by_path.items() if file.mode != "120000"}
    files = []
    for path, file in by_path.items():
        target = regular.get(_target(path, held[file.blob])) if file.mode == "120000" else file
        if target is not None:
            files.append(TreeFile(path, held[target.blob], target.mode == "100755"))
    return files


async def names_of(repository: Repository, commit: str) -> tuple[list[str], list[str]]:
    """The paths of the files in `commit`, links among them, and those of its submodules; of names that are UTF-8.
    Raises `TooLarge`."""
    ran = await repository.git("ls-tree", "-r", "-z", "--full-tree", commit, limit=LISTING)
    if ran.cut:
        raise TooLarge("the commit has too many files", "name fewer paths")

    def work() -> tuple[list[str], list[str]]:
        files: list[str] = []
        submodules: list[str] = []
        for row in ran.out.split(b"\0")[:-1]:
            facts, _, raw = row.partition(b"\t")
            try:
                path = raw.decode("utf-8")
            except UnicodeDecodeError:
                continue
            (submodules if facts.split()[1] == b"commit" else files).append(path)
        return files, submodules

    return await repository.blocking(work)


async def _entries(repository: Repository, commit: str, paths: Sequence[str]) -> dict[str, _Entry]:
    ran = await repository.git("ls-tree", "-r", "-z", "-l", "--full-tree", commit, "--", *paths, limit=LISTING)
    if ran.cut:
        raise TooLarge("the commit has too many files", "name fewer paths")
    found = {}
    for row in ran.out.split(b"\0")[:-1]:
        facts, _, raw = row.partition(b"\t")
        mode, kind, blob, size = facts.decode("ascii").split()
        try:
            path = raw.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if kind != "blob" or hostile(raw + b"\0") or not repository.readable(path):
            continue
        if not size.isdigit():
            raise _missing()
        if mode != "120000" or int(size) <= LINK:
            found[path] = _Entry(mode, blob, int(size))
    return found


def _held(found: Mapping[str, _Entry], known: Mapping[str, bytes]) -> dict[str, bytes]:
    """By blob: those of `known` that are the same still. (A blob's name is the sha1 of its size and its bytes.)"""
    held = {}
    for path, file in found.items():
        data = known.get(path)
        if data is not None and len(data) == file.size and _name(data) == file.blob:
            held[file.blob] = data
    return held


def _name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


async def _read(repository: Repository, blobs: Sequence[str], max_bytes: int) -> dict[str, bytes]:
    """git-cat-file(1), batch output: `<sha> blob <size>`, the bytes, a line feed."""
    if not blobs:
        return {}
    wanted = "".join(f"{blob}\n" for blob in blobs).encode()
    ran = await repository.git("cat-file", "--batch", stdin=wanted, limit=max_bytes + 100 * len(blobs))
    found, at = {}, 0
    for blob in blobs:
        end = ran.out.find(b"\n", at)
        head = ran.out[at:end].split()
        if end < 0 or head[:2] != [blob.encode(), b"blob"]:
            raise _missing()
        size = int(head[2])
        found[blob] = ran.out[end + 1 : end + 1 + size]
        at = end + size + 2
    return found


def _missing() -> Unsupported:
    return Unsupported(
        "objects of this repository are missing (a partial clone, or a damaged one)",
        FETCH_THEM,
    )


def _target(path: str, link: bytes) -> str:
    """Where a link leads, relative to the top; what leaves the tree is no path of it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link.decode("utf-8", "replace")))
