"""Which tests a call means, and how the runner in the sandbox is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from astro_mcp.agents.tests.models import Chosen, RunInput
from astro_mcp.agents.tests.project import OURS, Project
from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.sandbox.job import Outcome, SandboxFile

ID: Final = re.compile(r"[^-\s\0][^\0\n\r]{0,3999}")
SELECTION: Final = "selection.json"
TOLD: Final = "selected.json"
PLUGIN: Final = "pytest_selected"
NAMED: Final = 500
"""Files that the runner is named; where it would be more it looks through all and leaves out the others."""


@dataclass(frozen=True, slots=True)
class Selection:
    """`targets` are what the runner is named; none is all. `asked` is what the plugin in the sandbox leaves out by,
    empty where it is not needed. `nothing` says why there is nothing to run."""

    targets: Sequence[str] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    nothing: str = ""

    def plugins(self) -> list[str]:
        return [PLUGIN] if self.asked else []

    def files(self) -> list[SandboxFile]:
        """What the plugin reads."""
        return [SandboxFile(f"{OURS}/{SELECTION}", json.dumps(self.asked).encode())] if self.asked else []


def everything(project: Project) -> Selection:
    return Selection([f"./{project.target}"] if project.target else [])


def named(args: RunInput, project: Project) -> Selection:
    """The tests of `ids`. Raises `InvalidInput` for what is no id, `NotFound` where its file is missing."""
    if not args.ids:
        raise InvalidInput('select is "ids", and no ids are given', "results name them, like tests/test_a.py::test_b")
    for test in args.ids:
        path = test.split("::")[0]
        if not ID.fullmatch(test) or path.startswith("/") or ".." in path.split("/"):
            raise InvalidInput(f"{test[:200]!r} is no test id", "ids read like tests/test_a.py::test_b")
        if path not in project.files:
            raise NotFound(f"there is no {path[:200]} in {project.top.display}", "fs_list shows what there is")
    return Selection(list(args.ids))


def of_these(tests: Sequence[str], project: Project) -> Selection:
    """Tests that a log named: text of a stranger, so that the runner is named files of the copy alone."""
    below = f"{project.target}/" if project.target else ""
    paths = {test: test.split("::")[0] for test in tests}
    kept = [test for test in tests if paths[test] in project.files and f"{paths[test]}/".startswith(below)]
    if not kept:
        return Selection(nothing="none of the tests that failed is there any more")
    files = sorted({f"./{paths[test]}" for test in kept})
    targets = files if len(files) <= NAMED else everything(project).targets
    return Selection(targets, {"ids": kept})


def reached(changed: Sequence[str], recorded: Mapping[str, Any], project: Project) -> Selection:
    """The tests that a change of the files `changed` can reach; the plugin finds them."""
    asked = {"paths": sorted(project.files), "changed": sorted(changed), "recorded": recorded}
    return Selection(everything(project).targets, asked)


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

    def none(self) -> str:
        """Why nothing was left to run."""
        if self.missing:
            return "none of the tests that failed is there any more"
        return f"none of the {self.collected} tests is reached by what changed"

    def chosen(self) -> list[Chosen]:
        return [Chosen(why=reason.why, tests=reason.tests, ids=reason.ids) for reason in self.reasons]


def told(outcome: Outcome) -> Told | None:
    """None where the plugin came not so far, or what there is was not written by it."""
    data = next((file.data for file in outcome.files if file.path == TOLD), b"")
    try:
        return Told.model_validate_json(data)
    except ValidationError:
        return None
