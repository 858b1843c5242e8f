"""The log: which commits match, and what each of them changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.workspace.git.objects import shas_of
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.waiting import LOGGED

MOST: Final = 1000
"""Commits that one log lists: each costs git a diff."""
NEAR: Final = 4
"""Commits since the last log that are looked for one by one."""
_LISTING: Final = 32 * 1024 * 1024
_COUNTS: Final = re.compile(rb"(\d+) (file|insertion|deletion)")


@dataclass(frozen=True, slots=True)
class Logged:
    """One commit, and the size of its change; a merge's is that against its first parent. `date` is ISO 8601."""

    sha: str
    author: str
    date: str
    subject: str
    files: int
    additions: int
    deletions: int


async def listed(repository: Repository, commit: str, filters: Sequence[str], path: str) -> tuple[int, list[str]]:
    """How many commits that lead to `commit` match git's `filters`, and the first shas of them, newest first."""
    known = repository.memory.lists
    plain = not filters and not path
    if plain and (found := known.get(commit) or await _after(repository, commit)):
        known[commit] = found
        return found
    repository.memory.walked = True
    span = [*filters, "--end-of-options", commit, "--", *([path] if path else [])]
    ran = await repository.git("rev-list", *span, limit=_LISTING)
    first = ran.out[: 41 * MOST].decode("ascii").split()
    total = len(ran.out) // 41
    if ran.cut:
        total = int((await repository.git("rev-list", "--count", *span)).out)
    if plain:
        known[commit] = total, first
    return total, first


async def _after(repository: Repository, commit: str) -> tuple[int, list[str]] | None:
    """The same where what leads to a commit before it is known, and each commit since has one parent: git tells of
    those first, and of the rest as before."""
    known = repository.memory.lists
    if not known:
        return None
    names = [f"{commit}~{back}" for back in range(1, NEAR + 1)]
    others = [f"{commit}~{back}^2" for back in range(NEAR)]
    shas = await shas_of(repository, *names, *others)
    line = [commit, *shas[:NEAR]]
    for back in range(1, NEAR + 1):
        if not line[back] or shas[NEAR + back - 1]:
            return None
        if line[back] in known:
            total, first = known[line[back]]
            return total + back, [*line[:back], *first][:MOST]
    return None


async def logged(repository: Repository, shas: Sequence[str], path: str) -> list[Logged]:
    """What each of these commits is, and how much of `path` it changed ("" for all). Raises `Unsupported` where
    objects are missing."""
    known = repository.memory.logged if not path else {}
    if unknown := [sha for sha in shas if sha not in known]:
        if path:
            stdin = "\n".join([*unknown, ""]).encode()
            ran = await repository.git(*LOGGED.arguments, "--", path, stdin=stdin)
        else:
            ran = await repository.ask(LOGGED, *unknown)
        known.update(_records(ran.out))
    return [_logged(sha, known[sha]) for sha in shas if sha in known]


def _records(out: bytes) -> dict[str, bytes]:
    """By sha. A record is four fields, each ended by a NUL that none of them can hold, and the size of the change."""
    fields = out.split(b"\0")
    found, sha = {}, fields[0][-40:]
    for at in range(1, len(fields) - 3, 4):
        tail = fields[at + 3]
        found[sha.decode("ascii")] = b"\0".join([*fields[at : at + 3], tail])
        sha = tail[-40:]
    return found


def _logged(sha: str, record: bytes) -> Logged:
    author, date, subject, tail = record.split(b"\0")
    counts = {word: int(number) for number, word in _COUNTS.findall(tail)}
    return Logged(
        sha,
        author.decode("utf-8", "replace"),
        date.decode("utf-8", "replace"),
        subject.decode("utf-8", "replace"),
        counts.get(b"file", 0),
        counts.get(b"insertion", 0),
        counts.get(b"deletion", 0),
    )
