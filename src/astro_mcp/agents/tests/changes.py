"""What changed in a project's working tree since a commit: its files, and in each the lines that are new."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from astro_mcp.agents.tests.project import Project
from astro_mcp.core.authority import Session
from astro_mcp.errors import LimitHit, NotFound
from astro_mcp.workspace.git.gitlinks import links_of
from astro_mcp.workspace.git.patches import HUNK, OPTIONS, parse_numstat, parse_patch
from astro_mcp.workspace.git.repository import Git, Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE, commit_of
from astro_mcp.workspace.git.status import changes
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

PATCH: Final = 16 * 1024 * 1024
"""Bytes of patch text that are taken apart."""
LINES: Final = 100_000
"""Of a new file that count as changed."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths are relative to the project. `files` includes those that are gone and the former names of others; `untold`
    are those that lie in submodules, which are not opened, so that each may have changed; `lines` has the new lines of
    each, by number, and nothing of a file that is not text."""

    since: str
    files: frozenset[str]
    lines: Mapping[str, frozenset[int]]
    untold: frozenset[str] = frozenset()


async def changed(
    git: Git, workspace: Workspace, session: Session, project: Project, since: str, *, lines: bool
) -> Changes:
    """What differs from the commit `since` (a branch, tag, sha or HEAD) in the working tree of the repository that the
    project lies in, untracked files with it. `lines`: with the lines, which takes another look.

    Raises `NotFound` without a repository or such a commit, `LimitHit` where it is too much, and what `Git.open` does.
    """
    top = await workspace.quickly(partial(_repository, project.top))
    below = project.top.relative[len(top.relative) :].strip("/")
    async with git.open(session, top.display) as repository:
        await repository.trusted_index()
        base = repository.refs.sha or EMPTY_TREE
        base = base if since == "HEAD" else await commit_of(repository, since)
        links = await links_of(repository)
        index = links.index
        sides = ["--ignore-submodules=all", "--end-of-options", base, "--", *([below] if below else [])]
        ran = await repository.git("diff", *OPTIONS, "--numstat", "-z", *sides, index=index)
        if ran.cut:
            raise LimitHit(f"too much changed since {since}", "name a nearer commit in since")
        paths = {path for stat in parse_numstat(ran.out) for path in (stat.path, stat.former) if path}
        others = await changes(repository, [below] if below else [], each_file=True, renames=False)
        new = {change.path for change in others if change.untracked}
        found = await _lines(repository, index, sides) if lines else {}
    start = len(below) + 1 if below else 0
    files = frozenset(_named(path, start) for path in paths | new if path.startswith(below))
    if lines:
        found |= {path: _all_of(project, path[start:]) for path in new}
    inner = [_named(path, start) for path in links.passed if f"{path}/".startswith(f"{below}/" if below else "")]
    untold = await workspace.quickly(lambda: _beneath(project, inner))
    return Changes(since, files, {_named(path, start): numbers for path, numbers in found.items()}, untold)


def _repository(place: Place) -> Place:
    """The nearest folder at or above `place`, and within its root, that is a repository's top."""
    for length in range(len(place.parts), -1, -1):
        here = place.at("/".join(place.parts[:length]))
        if os.path.lexists(here.path / ".git"):
            return here
    raise NotFound("this project is in no git repository, so what changed is not known", "select=all runs every test")


async def _lines(repository: Repository, index: Path, sides: list[str]) -> dict[str, frozenset[int]]:
    patch = await repository.git("diff", *OPTIONS, "--unified=0", *sides, index=index, limit=PATCH)
    if patch.cut:
        raise LimitHit(f"more than {PATCH:,} bytes changed", "name a nearer commit in since")
    hunks = await repository.blocking(lambda: parse_patch(patch.out))
    found: dict[str, set[int]] = {}
    for hunk in hunks:
        header = HUNK.match(hunk.text.split("\n", 1)[0].encode("utf-8", "replace"))
        if header is not None:
            first, count = int(header[3]), int(header[4] or 1)
            found.setdefault(hunk.path, set()).update(range(first, first + count))
    return {path: frozenset(numbers) for path, numbers in found.items()}


def _all_of(project: Project, path: str) -> frozenset[int]:
    file = project.files.get(path)
    return frozenset(range(1, min(file.data.count(b"\n") + 1, LINES) + 1)) if file else frozenset()


def _beneath(project: Project, folders: Iterable[str]) -> frozenset[str]:
    tops = tuple(f"{folder}/" for folder in folders)
    return frozenset(path for path in project.files if path.startswith(tops)) if tops else frozenset()


def _named(path: str, start: int) -> str:
    """A path of the repository as the project's; bytes that are no UTF-8 as escapes, which no file of the copy has."""
    return os.fsencode(path[start:]).decode("utf-8", "backslashreplace")
