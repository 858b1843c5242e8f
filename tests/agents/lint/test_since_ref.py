"""`lint_check since_ref`: what is new since a commit, on real repositories, with ruff in containers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.agents.lint.test_sarif import SCHEMA
from tests.agents.tests.bench import Bench, write

from astro_mcp.agents.lint.models import CheckOutput

SETTINGS = '[tool.ruff.lint]\nselect = ["F401", "E711"]\n'
OLD = "import os\n\n\ndef f(x):\n    return x == None\n"


def git(project: Path, *arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    subprocess.run(["git", *who, *arguments], cwd=project, check=True, capture_output=True)


def commit(project: Path, files: dict[str, str]) -> None:
    write(project, files)
    if not (project / ".git").exists():
        git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "c")


def places(result: CheckOutput) -> list[tuple[str, int, str]]:
    return [(item.file, item.line, item.rule) for item in result.items]


async def sarif_of(house: Bench, result: CheckOutput) -> Any:
    data, mime = await house.artifacts.get(house.session.scope, result.sarif_uri.rpartition("/")[2])
    assert mime == "application/sarif+json"
    made = json.loads(data)
    SCHEMA.validate(made)
    return made


async def test_moved_and_renamed_code_is_not_new_and_what_was_added_is(house: Bench, project: Path) -> None:
    commit(project, {"pyproject.toml": SETTINGS, "a.py": OLD, "gone.py": "import re\n"})
    (project / "a.py").unlink()
    (project / "gone.py").unlink()
    write(project, {"pkg/b.py": "# moved\n\n" + OLD, "c.py": "import re\nimport re as r\nimport sys\n"})
    result = await house.check(since_ref="main")
    assert places(result) == [("c.py", 2, "F401"), ("c.py", 3, "F401")]
    assert (result.total, result.known) == (2, 3)
    assert all(item.new for item in result.items)
    assert "2 findings that are new, and 3 that are not, by ruff" in result.text()
    log = await sarif_of(house, result)
    states = [found["baselineState"] for found in log["runs"][0]["results"]]
    assert sorted(states) == ["new", "new", "unchanged", "unchanged", "unchanged"]


async def test_a_renamed_file_that_is_asked_for_alone_is_not_new_nor_is_what_lies_in_a_submodule(
    house: Bench, project: Path
) -> None:
    (project / "pkg/sub").mkdir(parents=True)
    commit(project / "pkg/sub", {"s.py": "import os\n"})
    commit(project, {"pyproject.toml": SETTINGS, "a.py": OLD, "pkg/c.py": "x = 1\n"})
    (project / "a.py").rename(project / "pkg/b.py")
    write(project, {"pkg/c.py": "import re\n"})
    result = await house.check(since_ref="HEAD", paths=["pkg"])
    assert (places(result), result.known) == ([("pkg/c.py", 1, "F401")], 3)
    assert result.left_out == ["pkg/sub (a submodule: what is new in it is not told)"]


@pytest.mark.full
async def test_both_sides_are_seen_with_the_settings_of_now(house: Bench, project: Path) -> None:
    commit(project, {"pyproject.toml": SETTINGS.replace(', "E711"', ""), "a.py": OLD, "sub/x.py": "y = 1\n"})
    write(project, {"pyproject.toml": SETTINGS, "sub/x.py": "y = 1\nz = y == None\n"})
    assert places(await house.check(since_ref="HEAD")) == [("sub/x.py", 2, "E711")]
    assert places(await house.check(since_ref="HEAD", paths=["sub/x.py"])) == [("sub/x.py", 2, "E711")]
    assert (await house.check(since_ref="HEAD", paths=["a.py"])).known == 2


@pytest.mark.full
async def test_a_repository_below_the_root_and_a_file_that_is_new_altogether(house: Bench, project: Path) -> None:
    (project / "inner").mkdir()
    commit(project / "inner", {"old.py": "import os\n"})
    write(project, {"inner/fresh.py": "import os\n", "inner/link.txt": ""})
    (project / "inner" / "again.py").symlink_to("old.py")
    git(project / "inner", "add", "again.py")
    git(project / "inner", "commit", "-qm", "a link")
    result = await house.check(since_ref="HEAD", paths=["inner"])
    assert places(result) == [("inner/fresh.py", 1, "F401")]
    assert result.known == 2
    assert places(await house.check(since_ref="HEAD", paths=["inner/fresh.py"])) == [("inner/fresh.py", 1, "F401")]


@pytest.mark.full
async def test_a_clean_tree_has_nothing_new(house: Bench, project: Path) -> None:
    commit(project, {"pyproject.toml": SETTINGS, "a.py": OLD})
    result = await house.check(since_ref="HEAD")
    assert (result.items, result.known) == ([], 2)


@pytest.mark.parametrize(
    "ref",
    [
        "no-such-branch",
        *(pytest.param(ref, marks=pytest.mark.full) for ref in ("--output=x", "HEAD:a.py", "main..main")),
    ],
)
async def test_a_ref_that_names_no_commit_is_refused(house: Bench, project: Path, ref: str) -> None:
    commit(project, {"a.py": OLD})
    error = (await house.call("lint_check", since_ref=ref)).error
    assert error is not None
    assert error.code in ("invalid_input", "not_found")


async def test_without_a_repository_there_is_nothing_to_compare_with(house: Bench, project: Path) -> None:
    write(project, {"a.py": OLD})
    error = (await house.call("lint_check", since_ref="HEAD")).error
    assert error is not None
    assert error.code == "not_found"


async def test_secrets_of_the_past_do_not_reach_the_sandbox(house: Bench, project: Path) -> None:
    commit(project, {".env": "import os\n", "a.py": "x = 1\n", ".ssh/k.py": "import os\n"})
    write(project, {"a.py": "import os\n"})
    assert places(await house.check(since_ref="HEAD")) == [("a.py", 1, "F401")]
