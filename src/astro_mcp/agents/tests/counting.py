"""Counting lines of JavaScript: how a runner is told to, and what is told of that which it doesn't count."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from typing import Final

import re2

from astro_mcp.agents.tests.changes import Changes
from astro_mcp.agents.tests.choice import MARK_BYTES
from astro_mcp.agents.tests.covered import Covered
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.selection import CODE
from astro_mcp.errors import Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.runner import Counting, Runner

MOST: Final = 3_000
"""Files of code of which those that no test loads are counted too: each takes a compiler some milliseconds."""
NAMED: Final = 5
"""Files that a note names."""
STARTS: Final = re.compile(rb"""['"`](?:node:)?(?:child_process|cluster|worker_threads|execa|cross-spawn|zx)['"`]""")
"""What code imports that starts programs or workers."""


def counts(runner: Runner) -> bool:
    """Whether lines can be counted at all."""
    return runner.selects or runner.coverage is not None


def needed(runner: Runner, named: Collection[str]) -> None:
    """Raises `Unsupported` where the project, whose packages are `named`, has none of those that it takes."""
    needs = runner.coverage.needs if runner.coverage else {}
    if needs and not needs.keys() & set(named):
        raise Unsupported(
            f"{runner.name} counts lines by a package that the project does not name: {' or '.join(needs)}",
            f"npm install --save-dev {next(iter(needs))} (of {runner.name}'s own version), or leave coverage out",
        )


def words(runner: Runner, project: Project, named: Collection[str]) -> tuple[str, ...]:
    """What the runner is told so that it counts lines; nothing where a plugin of pytest does."""
    means = runner.coverage
    if means is None:
        return ()
    there = [more for package, more in means.needs.items() if package in named]
    one = there[0] if len(there) == 1 else ()
    every = () if _settled(means, project) or _many(project) else means.every
    return (*means.argv, *one, *every)


def _settled(means: Counting, project: Project) -> bool:
    """Whether the project's settings say which files count."""
    top = [name for name in project.files if "/" not in name]
    names = [name for name in top if any(fnmatch(name, glob) for glob in means.settings)]
    texts = (project.files[name].data[:MARK_BYTES].decode("utf-8", "replace") for name in names)
    return bool(means.says) and any(re2.search(means.says, text) for text in texts)


def _many(project: Project) -> bool:
    return sum(path.endswith(CODE) for path in project.files) > MOST


def uncounted(runner: Runner, covered: Covered, changes: Changes | None, project: Project) -> Iterator[str]:
    """What may have run or changed, and is in no number."""
    means = runner.coverage
    if means is None:
        return
    changed = changes.lines if changes else {}
    unknown = [path for path in sorted(changed) if _counts(runner, project, path) and path not in covered.statements]
    if unknown and covered.whole:
        yield (
            f"nothing is counted of {_list(unknown)}, which changed: no test loads it, the settings leave it out, "
            "or no line of it can run"
        )
    starting = [] if means.others else [path for path in _ran(runner, covered, project) if _starts(project, path)]
    if starting:
        yield f"what tests start is not counted, and code names what starts programs or workers: {_list(starting)}"


def _counts(runner: Runner, project: Project, path: str) -> bool:
    """Whether a file is code and no test."""
    return path in project.files and path.endswith(CODE) and not path.endswith(".d.ts") and not _is_test(runner, path)


def _is_test(runner: Runner, path: str) -> bool:
    *folders, name = path.split("/")
    return "__tests__" in folders or any(fnmatch(name, glob) for glob in runner.tests)


def _ran(runner: Runner, covered: Covered, project: Project) -> list[str]:
    """The test files, and what any of them loaded."""
    tests = {path for path in project.files if path.endswith(CODE) and _is_test(runner, path)}
    return sorted(tests | {path for path, lines in covered.ran.items() if lines})


def _starts(project: Project, path: str) -> bool:
    return STARTS.search(project.files[path].data) is not None


def _list(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(printable(path, 200) for path in paths[:NAMED]) + more
