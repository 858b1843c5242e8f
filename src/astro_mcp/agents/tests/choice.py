"""Which runner runs, and where its project begins: by the files that mark a project, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Final

import re2

from astro_mcp.errors import InvalidInput, Problem
from astro_mcp.nearest import nearest
from astro_mcp.runner import Runner
from astro_mcp.workspace.place import Place

MARK_BYTES: Final = 1_000_000
Text = Callable[[Place], str]
"""What a file says, within `MARK_BYTES`; empty where it can't be read."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`top` is the project's folder below its root; `others` fit as well, and were not taken."""

    runner: Runner
    top: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    runner: Runner
    top: str
    named: bool
    """Whether one of the marks names the runner, or is its own alone."""
    held: str = ""
    """The top of the project that holds this one, where there is one; else its own."""
    marked: bool = True

    @property
    def rank(self) -> tuple[int, bool]:
        return (len(self.top.split("/")) if self.top else 0, self.named)


def by_name(runners: Sequence[Runner], name: str) -> Runner:
    """Raises `InvalidInput` where there is none of that name, with the nearest and all others."""
    wanted, there = name.strip().lower(), {runner.name: runner for runner in runners}
    if wanted in there:
        return there[wanted]
    near = nearest(wanted, list(there)) or ""
    told = f"did you mean {near}? " if near else ""
    reason = f"there is no runner {name[:40]!r}"
    problem = Problem("runner", reason, near)
    raise InvalidInput(reason, f"{told}there are: {', '.join(there)}", problems=(problem,))


def named(runner: Runner, place: Place, text: Text) -> Choice:
    """The runner that a call names, wherever its project begins."""
    found = _find(runner, place, text, asked=True)
    return Choice(runner, found.held if found else "")


def choose(
    runners: Sequence[Runner], place: Place, files: Sequence[str], text: Text, names: Callable[[], Iterable[str]]
) -> Choice:
    """The runner of the project nearest to `place`; of several there the one that its files name, then the one that
    takes most of `names`, which are all files at `place`, for tests. `files` are those that are meant: where a runner
    takes one for a test, no other is asked. Raises `InvalidInput` where none fits, and where all tests are such as
    others take whose projects don't name them."""
    fit = [runner for runner in runners if any(_is_test(runner, name) for name in files)] or runners
    found = [one for runner in fit if (one := _find(runner, place, text, asked=False))]
    if not found:
        listed = ", ".join(runner.name for runner in runners)
        raise InvalidInput("no file here tells which runner the tests are for", f"name one as runner: {listed}")
    best = max(one.rank for one in found)
    nearby = [one for one in found if one.rank[0] == best[0]]
    first = [one for one in nearby if one.rank == best]
    if len(first) > 1:
        there = list(names())
        first.sort(key=lambda one: -sum(_is_test(one.runner, name) for name in there))
    taken = first[0]
    if not taken.marked and (others := _takers(runners, place, list(names()), taken.runner)):
        raise InvalidInput("no file here tells which runner the tests are for", f"name one as runner: {others}")
    return Choice(taken.runner, taken.held, tuple(one.runner.name for one in nearby if one is not taken and one.marked))


def _find(runner: Runner, place: Place, text: Text, *, asked: bool) -> _Found | None:
    above = list(_upwards(place, runner.detect))
    for top, marks in above:
        named = not runner.mentions or any(re2.search(runner.mentions, text(mark)) for mark in marks)
        if named or asked or runner.unasked != "mentioned":
            holds = (
                one for one, its in above if runner.holds and any(re2.search(runner.holds, text(mark)) for mark in its)
            )
            return _Found(runner, top, named, next(holds, top))
    return _Found(runner, "", named=False, marked=False) if runner.unasked == "anywhere" else None


def _takers(runners: Sequence[Runner], place: Place, names: Sequence[str], taken: Runner) -> str:
    """Runners whose project this may be, and that take a file of `names` for a test; empty where `taken` does too."""
    if any(_is_test(taken, name) for name in names):
        return ""
    there = (runner for runner in runners if next(_upwards(place, runner.detect), None))
    return ", ".join(runner.name for runner in there if any(_is_test(runner, name) for name in names))


def _upwards(place: Place, names: Sequence[str]) -> Iterator[tuple[str, list[Place]]]:
    """Folders at and above `place`, and within its root, that have files of these names; the nearest first."""
    parts = place.parts if place.path.is_dir() else place.parts[:-1]
    for length in range(len(parts), -1, -1):
        top = "/".join(parts[:length])
        marks = [place.at("/".join(filter(None, (top, name)))) for name in names]
        if there := [mark for mark in marks if mark.path.is_file()]:
            yield top, there


def _is_test(runner: Runner, name: str) -> bool:
    return any(fnmatch(name, glob) for glob in runner.tests)
