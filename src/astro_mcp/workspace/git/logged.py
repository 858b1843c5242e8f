"""The log: which commits match, and what each of them changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from astro_mcp.workspace.git.child import Patience, Ran
from astro_mcp.workspace.git.fresh import FIELD, told_here
from astro_mcp.workspace.git.glimpse import LONGEST
from astro_mcp.workspace.git.kept import Listed
from astro_mcp.workspace.git.refs import SHA
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.waiting import LOGGED

MOST: Final = 1000
"""Commits that one log lists: each costs git a diff."""
NEAR: Final = 4
"""Commits since the last log that are looked for one by one."""
ROOM: Final = 32 * 1024 * 1024
"""Bytes that git may say of commits at once."""
TWO: Final = 81
"""Bytes of two parents: it matters which is the first, and whether there are more."""
COUNTING: Final = 0.5
"""Seconds that git has for the rest of a list, once it told a page of it."""
FARTHEST: Final = 2**31 - 1
"""Commits that git can pass."""
SHA_LINE: Final = 41
_LISTING: Final = 32 * 1024 * 1024
_WALK: Final = ("rev-list",)
_BY_NAME: Final = ("log", "--use-mailmap", "--format=%H")
"""Lists the same, and looks for the names of `.mailmap`."""
_IN_PART: Final = f"--format=%H%x00%<(80,trunc)%P%x00%T%x00%<({FIELD},trunc)%aN%x00%aI%x00%<({FIELD},trunc)%s%x00"
"""Of a commit that is told of in more than `ROOM` bytes."""
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


async def listed(repository: Repository, commit: str, filters: Sequence[str], path: str, part: range) -> Listed:
    """That `part` of the commits that lead to `commit` and match git's `filters`, counted from the newest. All are
    counted where git is soon done with that; the one after `part` always is."""
    known = repository.memory.lists
    plain = not filters and not path
    if plain and await is_near(repository, commit):
        total, first = known[commit]
        found = Listed(first, total, whole=True)
    else:
        found = await _searched(repository, commit, filters, path, part)
        if plain and found.whole:
            known[commit] = found.count, found.shas[:MOST]
    part = range(found.count)[part.start : part.stop] if found.whole else part
    if not part or len(found.shas) >= part.stop:
        return replace(found, shas=found.shas[part.start : part.stop])
    return await _beyond(repository, (*filters, *_span(commit, path)), part, found)


def _span(commit: str, path: str) -> tuple[str, ...]:
    return "--end-of-options", commit, "--", *((path,) if path else ())


def _walk(span: Sequence[str]) -> Sequence[str]:
    return _BY_NAME if any(one.startswith("--author=") for one in span[: span.index("--end-of-options")]) else _WALK


async def _searched(repository: Repository, commit: str, filters: Sequence[str], path: str, part: range) -> Listed:
    """What git lists, its first shas, or what is remembered of that. (`.mailmap` may change, so that what goes by names
    is asked again.)"""
    span = *filters, *_span(commit, path)
    walk = _walk(span)
    found = repository.memory.searches.get(span)
    if found is not None and (found.whole or found.count > part.stop):
        return found
    repository.memory.walked = True
    await repository.blocking(repository.learn)
    patience = Patience(SHA_LINE * min(part.stop + 1, _LISTING // SHA_LINE), COUNTING)
    ran = await repository.git(*walk, *span, limit=_LISTING, history=True, patience=patience)
    found = Listed(_shas(ran.out, max(MOST, part.stop)), len(ran.out) // SHA_LINE, not ran.cut)
    if walk == _WALK:
        repository.memory.searches[span] = replace(found, shas=found.shas[:MOST])
        repository.memory.bound()
    return found


async def _beyond(repository: Repository, span: tuple[str, ...], part: range, found: Listed) -> Listed:
    """A part of which the shas are not known."""
    some = f"--skip={min(part.start, FARTHEST)}", f"--max-count={len(part) + 1}"
    ran = await repository.git(*_walk(span), *some, *span, history=True)
    shas = _shas(ran.out, len(part) + 1)
    if found.whole:
        return replace(found, shas=shas[: len(part)])
    count = max(part.start + len(shas) if shas else 0, found.count)
    return Listed(shas[: len(part)], count, whole=0 < len(shas) <= len(part))


def _shas(out: bytes, most: int) -> list[str]:
    """The first of a list, which may end amid one."""
    return out[: SHA_LINE * min(most, len(out) // SHA_LINE)].decode("ascii").split()


async def is_near(repository: Repository, sha: str) -> bool:
    """Whether it is a commit whose history is known: all of it, or that of one shortly before, where each commit since
    has one parent. Git tells of those first, and of the rest as before."""
    known = repository.memory.lists
    line = [sha]
    while line[-1] not in known:
        if not known or len(line) > NEAR:
            return False
        newest = line[-1]
        _tell_here(repository, newest)
        record = (await _tell(repository, [newest])).get(newest)
        parents = record.split(b"\0", 1)[0].decode("ascii").split() if record else []
        if len(parents) != 1:
            return False
        line += parents
    if len(line) > 1:
        total, first = known[line[-1]]
        known[sha] = total + len(line) - 1, [*line[:-1], *first][:MOST]
    return True


def look_at_head(repository: Repository) -> bool:
    """Tell of the commit that HEAD's branch is at by now, where that takes no git and no wait; whether it is a new
    one."""
    read = repository.known(repository.place(f".git/{repository.refs.head}"), LONGEST)
    sha = read[0].decode("ascii", "replace").strip() if read else ""
    return bool(SHA.fullmatch(sha)) and _tell_here(repository, sha)


def _tell_here(repository: Repository, sha: str) -> bool:
    known = repository.memory.logged
    if sha in known or not (told := told_here(repository, sha)):
        return False
    known[sha] = told
    return True


async def logged(repository: Repository, shas: Sequence[str], path: str) -> list[Logged]:
    """What each of these commits is, and how much of `path` it changed ("" for all). Raises `Unsupported` where
    objects are missing."""
    known = await (_told(repository, shas, path) if path else _tell(repository, shas))
    return [_logged(sha, known[sha]) for sha in shas if sha in known]


async def _tell(repository: Repository, shas: Sequence[str]) -> dict[str, bytes]:
    """The records of these commits, which the memory knows from then on; another call may have it forget them."""
    known = repository.memory.logged
    told = {sha: known[sha] for sha in shas if sha in known}
    if unknown := [sha for sha in shas if sha not in told]:
        new = await _told(repository, unknown, "")
        known.update(new)
        told.update(new)
    return told


async def _told(repository: Repository, shas: Sequence[str], path: str) -> dict[str, bytes]:
    """The records of these commits as git tells them: in several answers where they are long together."""
    found: dict[str, bytes] = {}
    while shas:
        ran = await _asked(repository, shas, path)
        told = _records(ran.out)
        if ran.cut and told:
            told.popitem()  # the size of its change may not be whole
        if ran.cut and not told:
            told = _records((await _asked(repository, shas[:1], path, _IN_PART)).out)
            told = {sha: re.sub(rb" +(?=\0)", b"", record) for sha, record in told.items()}  # filled up to that width
        found.update(told)
        shas = shas[shas.index(next(reversed(told))) + 1 if told else 1 :] if ran.cut else ()
    return found


async def _asked(repository: Repository, shas: Sequence[str], path: str, *form: str) -> Ran:
    if not path and not form:
        return await repository.ask(LOGGED, *shas, limit=ROOM)
    stdin = "\n".join([*shas, ""]).encode()
    only = ("--", path) if path else ()
    return await repository.git(*LOGGED.arguments, *form, *only, stdin=stdin, limit=ROOM, history=True)


def _records(out: bytes) -> dict[str, bytes]:
    """By sha. A record is six fields, each ended by a NUL that none of them can hold, and the size of the change."""
    fields = out.split(b"\0")
    found, sha = {}, fields[0][-40:]
    for at in range(1, len(fields) - 5, 6):
        parents, tree, author, date, subject, size = fields[at : at + 6]
        found[sha.decode("ascii")] = b"\0".join([parents[:TWO], tree, _short(author), date, _short(subject), size])
        sha = fields[at + 5][-40:]
    return found


def _short(field: bytes) -> bytes:
    return field if len(field) <= FIELD else field[:FIELD].rstrip() + "…".encode()


def _logged(sha: str, record: bytes) -> Logged:
    _, _, author, date, subject, tail = record.split(b"\0")
    counts = {word: int(number) for number, word in _COUNTS.findall(tail)}
    return Logged(
        sha,
        author.decode("utf-8", "replace"),
        re.sub(r"Z\Z", "+00:00", date.decode("utf-8", "replace")),  # as newer gits write it
        subject.decode("utf-8", "replace"),
        counts.get(b"file", 0),
        counts.get(b"insertion", 0),
        counts.get(b"deletion", 0),
    )
