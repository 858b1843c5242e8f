"""The guide to the language: every document that it shows runs, and no word of the language is missing from it."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from tests.workflow.desk import Answers, Desk, desk

from astro_mcp.testing import Workbench, workbench
from astro_mcp.workflow.document import bounds, checks, model
from astro_mcp.workflow.expressions import functions
from astro_mcp.workflow.kernel import state
from astro_mcp.workflow.shapes import GUIDE

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "resources" / "guides" / "workflows.md").read_text()
SHOWN = {str(yaml.safe_load(text)["name"]): text for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)}
RUNS: dict[str, tuple[dict[str, str], Answers, dict[str, Any], dict[str, str]]] = {
    # files, answers → outputs, files
    "notes-of-files": (
        {"a__py": "A = 1\n", "b__py": "B = 2\n"},
        {"notes": lambda shown: {"markdown": f"{len(shown['files'])} files"}},
        {"files": 2},
        {"NOTES.md": "2 files"},
    ),
    "careful": ({}, {"gate": True}, {"made": True}, {"draft.md": "# Draft\n"}),
    "some-fail": ({"here__txt": "here"}, {}, {"read": 1, "failed": ["not_found"]}, {}),
    "until-it-is-right": (
        {},
        {
            "draft": lambda shown: {"title": shown["before"] + "x"},
            "judge": lambda shown: "good" if shown["title"] == "xx" else "bad",
        },
        {"title": "xx"},
        {},
    ),
    "two-files": ({}, {}, {}, {"a.txt": "first"}),
    "apart": ({"a__txt": "x"}, {}, {"new": ["NOTES.md"]}, {}),
    "functions": (
        {"a__txt": "x", "b__txt": "y" * 200},
        {},
        {
            "table": "| path | bytes |\n| --- | --- |\n| a.txt | 1 |\n| b.txt | 200 |",
            "first": "a.txt",
            "large": "b.txt",
            "halves": "a and b",
            "names": ["x", "y"],
            "pairs": [[1, "a"], [2, "b"]],
            "groups": 2,
            "text": '{"b": [1]}',
            "enough": True,
        },
        {},
    ),
}


@pytest.fixture(scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workbench]:
    async with workbench(tmp_path_factory.mktemp("guide") / "data") as made:
        yield made


@pytest.fixture
def at(bench: Workbench, tmp_path: Path) -> Desk:
    return desk(bench, tmp_path / "project")


def test_every_document_of_the_guide_is_run_here() -> None:
    assert SHOWN.keys() == RUNS.keys()


@pytest.mark.parametrize("name", SHOWN)
async def test_a_document_of_the_guide_gives_what_it_says(at: Desk, name: str) -> None:
    before, answers, outputs, after = RUNS[name]
    if "workspace: worktree" in SHOWN[name]:
        at.commit("Begin", **before)
    else:
        at.write(**before)
    done = await at.run(SHOWN[name], answers)
    assert done.status == "succeeded", done.error
    assert done.outputs.items() >= outputs.items(), done.outputs
    for file, text in after.items():
        assert at.text(file) == text


async def test_a_no_at_the_gate_of_the_guide_makes_nothing_and_the_log_says_so(at: Desk) -> None:
    done = await at.run(SHOWN["careful"], {"gate": False})
    assert done.status == "failed"
    assert not (at.folder / "draft.md").exists()
    assert at.text("log.txt") == "draft: none"


def test_the_guide_names_every_word_of_the_language() -> None:
    words = {
        f"`{spec.alias or name}`"
        for cls in (model.Document, model.StepSpec)
        for name, spec in cls.model_fields.items()
        if name not in ("id", "name", "description", "answer", "with_")
    }
    inner = {
        name
        for cls in vars(model).values()
        if inspect.isclass(cls) and issubclass(cls, BaseModel) and cls.__module__ == model.__name__
        for name in cls.model_fields
        if not name.endswith("_")
    }
    assert {word for word in words if word not in TEXT} == set()
    told = set(re.findall(r"[a-z_]+", TEXT))
    assert inner - {"timeout_minutes", "continue_on_error"} - told == set()


def test_the_guide_names_every_function_status_and_bound() -> None:
    private = {"form": "format", "cut": "slice", "pair": "zip", "as_json": "json"}
    names = {
        private.get(name, name)
        for name, made in vars(functions).items()
        if inspect.isfunction(made) and made.__module__ == functions.__name__ and not name.startswith("_")
    }
    assert {name for name in names if f"`{name}(" not in TEXT} == set()
    assert all(f"{status}()" in TEXT for status in ("always", "failure"))
    statuses = {state.SUCCEEDED, state.FAILED, state.SKIPPED, state.LOST, state.WAITING, state.PAUSED}
    assert {status for status in statuses if f"`{status}`" not in TEXT} == set()
    assert f"{bounds.BYTES // 1024} KiB, {bounds.DEPTH} levels, {checks.STEPS} steps" in TEXT


async def test_the_guide_is_at_its_address_and_is_the_page_and_is_named_where_a_document_is_wrong(at: Desk) -> None:
    read: Any = await at.bench.value("astro_read", uri=GUIDE)
    assert read.content == TEXT == (ROOT / "docs" / "workflows.md").read_text()
    assert (await at.bench.call("astro_read", uri=GUIDE)).labels == frozenset(), "it is our own text"
    wrong: Any = await at.bench.value("workflow_check", spec="{}")
    assert wrong.guide == GUIDE
    assert GUIDE in wrong.text()
    assert GUIDE in (ROOT / "resources" / "prompts" / "plan_workflow.md").read_text()
    missing = await at.bench.call("astro_read", uri="astro://guides/worklows")
    assert missing.error is not None
    assert (missing.error.code, missing.error.hint) == ("not_found", "did you mean workflows?")
    outside = await at.bench.call("astro_read", uri="astro://guides/..%2Fprompts%2Fremember")
    assert outside.error is not None
    assert outside.error.code == "not_found"
