"""What a runner is told to run: its arguments for a path, or for tests by their ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from astro_mcp.agents.tests.project import Project
from astro_mcp.errors import InvalidInput, NotFound, Unsupported
from astro_mcp.manifest import PATHS, REPORT
from astro_mcp.runner import COVERAGE, IDS, LEVEL, NAMES, PATTERN, Runner

ID: Final = re.compile(r"[^-\s\0][^\0]{0,3999}")
DEEPEST: Final = 6
"""Levels of a name that are tried in every way; of more only each by itself, and all as one."""
SPECIAL: Final = re.compile(r"([\\^$.|?*+()\[\]{}])")


def command(runner: Runner, targets: Sequence[str], report: str, counting: Sequence[str] = ()) -> tuple[str, ...]:
    """The runner's whole argv; `report` is where its report goes, `counting` what has it count lines."""
    argv: list[str] = []
    for word in runner.argv:
        argv += {PATHS: targets, COVERAGE: counting}.get(word, [word.replace(REPORT, report)])
    return tuple(argv)


def environment(runner: Runner, report: str) -> dict[str, str]:
    return {name: value.replace(REPORT, report) for name, value in runner.env.items()}


def of_path(runner: Runner, project: Project) -> Sequence[str]:
    """What the runner is told of the project's target. Raises `Unsupported` where it can't be told."""
    if not project.target:
        return runner.places.all
    is_file = project.target in project.files
    marked = any(f"{project.target}/{name}" in project.files for name in runner.detect)
    folder = (runner.places.member if marked else "") or runner.places.folder
    template = runner.places.file if is_file else folder
    if not template:
        kind = "file" if is_file else "folder"
        raise Unsupported(
            f"{runner.name} can't be told to run the tests of one {kind}",
            f"leave the path out, or name tests: select='ids', ids=['{runner.ids.example}']",
        )
    return [_written(template, project.target)]


def word_of(runner: Runner, path: str) -> str:
    """What the runner is told of a test file."""
    return _written(runner.places.file, path)


def _written(template: str, path: str) -> str:
    folder = path.rpartition("/")[0] or "."
    return template.format(path=path, folder=folder, pattern=_escaped(path))


def of_ids(runner: Runner, ids: Sequence[str]) -> Sequence[str]:
    """What the runner is told of tests; each of `ids` has passed `check`."""
    return [part for word in runner.ids.argv for part in _expanded(word, runner, ids)]


def of_files(runner: Runner, ids: Sequence[str]) -> Sequence[str]:
    """What the runner is told of all that is in the files of tests; everything where it can't be told."""
    return list(_expanded(PATHS, runner, ids)) if PATHS in runner.ids.argv else runner.places.all


def check(runner: Runner, test: str, project: Project, *, whole: bool = False) -> None:
    """Raises `InvalidInput` for what is no id of this runner's, and `NotFound` where its file is missing. Where it may
    be `whole`, a file is enough."""
    path = file_of(test)
    if not ID.fullmatch(test) or path.startswith("/") or ".." in path.split("/"):
        raise InvalidInput(f"{test[:200]!r} is no test id", f"ids read like {runner.ids.example}")
    if runner.ids.form == "file::name" and runner.places.file and path not in project.files:
        raise NotFound(f"there is no {path[:200]} in {project.top.display}", "fs_list shows what there is")
    if not whole and is_whole(runner, test):
        raise InvalidInput(f"{test[:200]!r} names no test", f"ids read like {runner.ids.example}")


def is_whole(runner: Runner, test: str) -> bool:
    """Whether an id names a file, folder or package, and no test in it."""
    return not runner.ids.exact and not _name(runner, test)


def file_of(test: str) -> str:
    """The file, folder or package that an id begins with."""
    return test.split("::", maxsplit=1)[0]


def _expanded(word: str, runner: Runner, ids: Sequence[str]) -> Iterable[str]:
    names = list(dict.fromkeys(_name(runner, test) for test in ids))
    if word == IDS:
        return ids
    if word == NAMES:
        return names
    if word == PATHS:
        paths = dict.fromkeys(file_of(test) for test in ids)
        return [_written(runner.places.file, path) if runner.places.file else path for path in paths]
    if PATTERN in word:
        return [word.replace(PATTERN, "|".join("/".join(_levels(runner, name)) for name in names))]
    if LEVEL in word:
        levels = dict.fromkeys(level for name in names for level in _levels_in(runner, name))
        return [word.replace(LEVEL, level) for level in levels]
    return [word]


def _levels(runner: Runner, name: str) -> Iterator[str]:
    parts = name.split(runner.ids.levels) if runner.ids.levels else [name]
    return (f"^{_escaped(part)}$" for part in parts)


def _levels_in(runner: Runner, name: str) -> Iterator[str]:
    """Every level that `name` may have: a title may hold what stands between levels."""
    parts = name.split(runner.ids.levels) if runner.ids.levels else [name]
    lengths = range(1, len(parts) + 1) if len(parts) <= DEEPEST else (1, len(parts))
    for length in lengths:
        for start in range(len(parts) - length + 1):
            yield f"^{_escaped(runner.ids.levels.join(parts[start : start + length]))}$"


def _name(runner: Runner, test: str) -> str:
    return test.partition("::")[2] if runner.ids.form == "file::name" else test


def _escaped(text: str) -> str:
    """For the regular expressions of all runners: of JavaScript, Go, Rust and CMake."""
    return SPECIAL.sub(r"\\\1", text)
