"""Which commit wrote each line of a file.

Commit, path and line decide that, and nothing else. So a file that is asked about for the second time is gone through
whole, and remembered; after that git is asked for what came since alone, and what leads to the remembered commit is
looked up there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from astro_mcp.errors import AstroError, TimedOut, TooLarge
from astro_mcp.workspace.git.child import OUTPUT, SECONDS
from astro_mcp.workspace.git.kept import Blame, Writer
from astro_mcp.workspace.git.repository import Repository

LONGEST: Final = 20_000
"""Lines of a file that is remembered."""
WHOLE: Final = 10.0
"""Seconds that going through a whole file may take; one that takes longer is asked for range by range."""
_CYCLE: Final = 146_097 * 24 * 60 * 60
"""Seconds of 400 years, after which the calendar begins anew."""
_LAST_YEAR: Final = 2**31 - 1
_HEADER: Final = re.compile(rb"([0-9a-f]{40}) (\d+) (\d+)(?: (\d+))?")


@dataclass(frozen=True, slots=True)
class _Span:
    """`count` lines from `line` on are those from `former` on of `path` in `sha`; `ends`: git went no further there."""

    sha: str
    former: int
    line: int
    count: int
    path: bytes
    ends: bool


Early = tuple[list[_Span], dict[str, Writer]]
"""Of a range, asked before it was known how many lines the file has."""


async def asked_early(repository: Repository, commit: str, path: str, start: int, end: int) -> Early | None:
    """What git says of a range of a file that was not asked about before; None of another one, and where git says that
    there is no such range. For who finds out meanwhile what stands at that path."""
    if path in repository.memory.blames or end - start >= LONGEST:
        return None
    with suppress(AstroError):  # `blamed` asks again, and tells it
        return await _asked(repository, commit, path, end + 1 - start, "-L", f"{start},{end}")
    return None


async def blamed(
    repository: Repository, commit: str, path: str, span: range, total: int, early: Early | None = None
) -> list[tuple[str, Writer]]:
    """The sha and the writer of each line of `span`, counted from 1, of a file that has `total` lines in `commit`;
    `early` is what was asked of these lines."""
    blames = repository.memory.blames
    known = blames.get(path)
    if known is None or not known.worth or total > LONGEST:
        blames.setdefault(path, Blame())
        return await _of_span(repository, commit, path, span, early)
    if known.commit != commit:
        try:
            newer = known.commit and await _since(repository, known, commit, path, total)
            known = newer or await _whole(repository, commit, path, total)
        except (TimedOut, TooLarge):
            blames[path] = Blame(worth=False)
            return await _of_span(repository, commit, path, span)
        blames.pop(path, None)  # what is asked about again is forgotten last
        blames[path] = known
    return [(sha, known.writers[sha]) for sha in known.shas[span.start - 1 : span.stop - 1]]


async def _of_span(
    repository: Repository, commit: str, path: str, span: range, early: Early | None = None
) -> list[tuple[str, Writer]]:
    spans, writers = early or await _asked(repository, commit, path, len(span), "-L", f"{span.start},{span.stop - 1}")

    def work() -> list[tuple[str, Writer]]:
        found = {line: one.sha for one in spans for line in range(one.line, one.line + one.count)}
        return [(found[line], writers[found[line]]) for line in span]

    return await repository.apart(64 * len(span), work)


async def _whole(repository: Repository, commit: str, path: str, total: int) -> Blame:
    spans, writers = await _asked(repository, commit, path, total, seconds=WHOLE)
    shas = [""] * total
    for one in spans:
        shas[one.line - 1 : one.line - 1 + one.count] = [one.sha] * one.count
    return Blame(commit, shas, writers)


async def _since(repository: Repository, known: Blame, commit: str, path: str, total: int) -> Blame | None:
    """From what is known of an earlier commit; None where some line came by another way than through it."""
    spans, writers = await _asked(repository, commit, path, total, not_of=known.commit, seconds=WHOLE)
    shas = [""] * total
    for one in spans:
        if not one.ends:
            lines = [one.sha] * one.count
        elif (one.sha, one.path) == (known.commit, os.fsencode(path)):
            lines = known.shas[one.former - 1 : one.former - 1 + one.count]
        else:
            return None
        shas[one.line - 1 : one.line - 1 + one.count] = lines
    return Blame(commit, shas, {sha: writers.get(sha) or known.writers[sha] for sha in set(shas)})


async def _asked(
    repository: Repository,
    commit: str,
    path: str,
    lines: int,
    *options: str,
    not_of: str = "",
    seconds: float = SECONDS,
) -> tuple[list[_Span], dict[str, Writer]]:
    """git-blame(1); of what leads to the commit `not_of` nothing is gone through."""
    commits = [commit, *([f"^{not_of}"] if not_of else [])]
    repository.memory.walked = True
    # all at the end, with the lines themselves, and not span by span as they are found: each would wake us
    form = "--porcelain" if lines <= LONGEST else "--incremental"
    words = ("blame", form, *options, *commits, "--", path)
    ran = await repository.git(*words, limit=OUTPUT, seconds=seconds, history=True)
    if ran.cut:
        raise TooLarge(
            f"what git tells of {lines:,} lines is too long", "ask for fewer of them by start_line and end_line"
        )
    return await repository.apart(len(ran.out), partial(_taken_apart, ran.out))


def _taken_apart(out: bytes) -> tuple[list[_Span], dict[str, Writer]]:
    writers: dict[str, Writer] = {}
    return list(_spans(out, writers)), writers


def _spans(out: bytes, writers: dict[str, Writer]) -> Iterator[_Span]:
    """Of both formats: a header, then what is said of its commit, most of it once. Where nothing says how many lines
    it is for, a header repeats that of the line above."""
    facts: dict[bytes, bytes] = {}
    paths: dict[str, bytes] = {}
    boundaries: set[str] = set()
    first: re.Match[bytes] | None = None
    for line in out.split(b"\n"):
        if line.startswith(b"\t"):
            continue
        header = _HEADER.fullmatch(line)
        if header is None:
            key, _, value = line.partition(b" ")
            facts[key] = value
        elif header[4]:
            if first is not None:
                yield _span(first, facts, paths, boundaries, writers)
            first, facts = header, {}
    if first is not None:
        yield _span(first, facts, paths, boundaries, writers)


def _span(
    header: re.Match[bytes],
    facts: Mapping[bytes, bytes],
    paths: dict[str, bytes],
    boundaries: set[str],
    writers: dict[str, Writer],
) -> _Span:
    sha = header[1].decode("ascii")
    if b"author" in facts:
        writers[sha] = _writer(facts)
    if b"boundary" in facts:
        boundaries.add(sha)
    paths[sha] = facts.get(b"filename") or paths[sha]
    former, line, count = (int(header[at]) for at in (2, 3, 4))
    return _Span(sha, former, line, count, paths[sha], sha in boundaries)


def _writer(facts: Mapping[bytes, bytes]) -> Writer:
    return Writer(facts[b"author"].decode("utf-8", "replace"), _date(int(facts[b"author-time"])))


def _date(seconds: int) -> str:
    """As git shows it: a commit may name any year, and of one past what git counts to it tells 1970."""
    cycles, rest = divmod(seconds, _CYCLE)
    moment = datetime.fromtimestamp(rest, UTC)
    year = moment.year + 400 * cycles
    return f"{year}{moment.isoformat()[4:]}" if year <= _LAST_YEAR else datetime.fromtimestamp(0, UTC).isoformat()
