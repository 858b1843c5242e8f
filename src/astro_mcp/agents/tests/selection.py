"""Which tests a call means, and how the runner in the sandbox is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from astro_mcp.agents.tests.models import Chosen
from astro_mcp.agents.tests.project import OURS, Project
from astro_mcp.agents.tests.targets import check, file_of, is_whole, of_files, of_ids, of_path, word_of
from astro_mcp.errors import AstroError, InvalidInput, Unsupported
from astro_mcp.manifest import PATHS
from astro_mcp.runner import Reach, Runner
from astro_mcp.sandbox.job import Outcome, SandboxFile

SELECTION: Final = "selection.json"
TOLD_BYTES: Final = 2_000_000
TOLD: Final = "selected.json"
PLUGIN: Final = "pytest_selected"
STARTER: Final = ("js_selected.py", "js_impact.py")
"""The program that starts a runner of JavaScript on some files, and the module that it needs."""
CODE: Final = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte")
GONE: Final = "none of the tests that failed is there any more"
NAMED: Final = 500
"""Files that the runner is named; where it would be more it looks through all and leaves out the others."""


@dataclass(frozen=True, slots=True)
class Selection:
    """`targets` are what the runner is named; none is all. `asked` is what the plugin in the sandbox leaves out by,
    empty where it is not needed, and `written` the same as it reads it; `starter` are the files of the program that
    does so in place of a plugin. Where there are ids in `only`, or files in `within` (and folders, with a slash at
    their end), the runner may run other tests as well, and they don't count. `nothing` says why there is nothing to
    run."""

    targets: Sequence[str] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    written: bytes = b""
    only: frozenset[str] = frozenset()
    within: frozenset[str] = frozenset()
    nothing: str = ""
    starter: Sequence[str] = ()

    def plugins(self) -> list[str]:
        return [PLUGIN] if self.asked and not self.starter else []

    def started(self, argv: Sequence[str]) -> tuple[str, ...]:
        """`argv` as the starter takes it, where there is one."""
        return ("python3", "-P", f"{OURS}/{self.starter[0]}", *argv) if self.starter else tuple(argv)

    def files(self) -> list[SandboxFile]:
        """What the plugin reads."""
        return [SandboxFile(f"{OURS}/{SELECTION}", self.written)] if self.asked else []


def everything(runner: Runner, project: Project) -> Selection:
    """All that is at the project's target."""
    target = project.target
    within = target if target in project.files else f"{target}/"
    return Selection(of_path(runner, project), within=frozenset([within] if target and runner.places.loose else []))


def named(runner: Runner, ids: Sequence[str], project: Project) -> Selection:
    """The tests of `ids`. Raises `InvalidInput` for what is no id, `NotFound` where its file is missing."""
    if not ids:
        raise InvalidInput('select is "ids", and no ids are given', f"results name them, like {runner.ids.example}")
    for test in ids:
        check(runner, test, project)
    return Selection(of_ids(runner, ids), only=frozenset() if runner.ids.exact else frozenset(ids))


def of_these(runner: Runner, tests: Sequence[str], project: Project) -> Selection:
    """Tests that a log named: text of a stranger, so that the runner is named files of the copy alone, or what passes
    for its ids."""
    if not runner.selects:
        return _of_these(runner, tests, project)
    below = f"{project.target}/" if project.target else ""
    paths = {test: file_of(test) for test in tests}
    kept = [test for test in tests if paths[test] in project.files and f"{paths[test]}/".startswith(below)]
    if not kept:
        return Selection(nothing=GONE)
    files = sorted({f"./{paths[test]}" for test in kept})
    targets = files if len(files) <= NAMED else everything(runner, project).targets
    return _asking(targets, {"ids": kept})


def _of_these(runner: Runner, tests: Sequence[str], project: Project) -> Selection:
    kept = [test for test in tests if _is_id(runner, test, project)]
    if not kept:
        return Selection(nothing=GONE)
    whole = frozenset(test for test in kept if is_whole(runner, test))
    if len(kept) > NAMED:
        targets = everything(runner, project).targets
    else:
        targets = of_files(runner, kept) if whole else of_ids(runner, kept)
    return Selection(targets, only=frozenset(kept) - whole, within=frozenset(map(file_of, whole)))


def _is_id(runner: Runner, test: str, project: Project) -> bool:
    try:
        check(runner, test, project, whole=True)
    except AstroError:
        return False
    return True


def reached(runner: Runner, changed: Sequence[str], recorded: Mapping[str, Any], project: Project) -> Selection:
    """The tests that a change of the files `changed` can reach; the sandbox finds them. Raises `Unsupported` for a
    runner that it does not fit. Writes out all that was recorded: for worker threads."""
    if runner.reach is not None:
        return _in_javascript(runner, runner.reach, changed, project)
    if not runner.selects:
        raise Unsupported(f"what a change reaches is not known of {runner.name}'s tests", "run them with select='all'")
    asked = {"paths": sorted(project.files), "changed": sorted(changed), "recorded": recorded}
    return _asking(everything(runner, project).targets, asked)


def _in_javascript(runner: Runner, reach: Reach, changed: Sequence[str], project: Project) -> Selection:
    targets = list(everything(runner, project).targets)
    words = {path: word_of(runner, path) for path in project.files if path.endswith(CODE)}
    asked = {
        "paths": sorted(project.files),
        "changed": sorted(changed),
        "target": project.target,
        "targets": targets,
        "list": [part for word in reach.list for part in (targets if word == PATHS else [word])],
        "words": words,
    }
    return replace(_asking([PATHS], asked), starter=STARTER)


def _asking(targets: Sequence[str], asked: Mapping[str, Any]) -> Selection:
    return Selection(targets, asked, json.dumps(asked).encode())


class _Reason(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, defer_build=True)

    why: Annotated[str, StringConstraints(max_length=5_000)]
    tests: int = Field(ge=1, le=10_000_000)
    ids: list[Annotated[str, StringConstraints(max_length=5_000)]] = Field(max_length=50)


class Told(BaseModel):
    """What the plugin says that it chose; text that the project's tests may have written."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, defer_build=True)

    collected: int = Field(0, ge=0, le=10_000_000)
    missing: list[Annotated[str, StringConstraints(max_length=5_000)]] = Field(default_factory=list, max_length=100)
    reasons: list[_Reason] = Field(default_factory=list, max_length=500)
    of: Literal["tests", "test files"] = "tests"

    def none(self) -> str:
        """Why nothing was left to run."""
        if self.missing:
            return GONE
        return f"none of the {self.collected} {self.of} is reached by what changed"

    def chosen(self) -> list[Chosen]:
        return [Chosen(why=reason.why, tests=reason.tests, ids=reason.ids) for reason in self.reasons]


def told(outcome: Outcome) -> Told | None:
    """None where the plugin came not so far, or what there is was not written by it, or is too long to be."""
    data = next((file.data for file in outcome.files if file.path == TOLD), b"")
    try:
        return Told.model_validate_json(data if len(data) <= TOLD_BYTES else b"")
    except ValidationError:
        return None
