"""`select` by what earlier runs told and by what changed; histories; on real projects in real containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.agents.git.bench import plain_git
from tests.agents.tests.bench import Bench, commit, write

from astro_mcp.agents.tests.choice import by_name
from astro_mcp.agents.tests.events import Event, Tally
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.selection import everything, of_these
from astro_mcp.errors import NotFound
from astro_mcp.packs import Pack
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.workspace.place import Place

TWO_OF_FOUR = """
import pytest
@pytest.mark.parametrize("word", ["fine", "odd one [x]"])
def test_words(word): assert word == "fine"
def test_more(): assert 0
def test_good(): pass
"""


def test_of_what_a_log_names_the_runner_is_told_files_of_the_copy_alone() -> None:
    files = {name: SandboxFile(name, b"") for name in ("-k", "tests/test_a.py", "test_b.py")}
    project = Project(Place(Path("/x"), ""), "tests", files, (), "pytest")
    runner = by_name(Pack.find().manifests("runner"), "pytest")
    forged = ["../../etc/passwd", "/etc/passwd::x", "--collect-only", "", "\0::x", "test_b.py::test_b"]
    assert of_these(runner, forged, project).nothing
    found = of_these(runner, [*forged, "tests/test_a.py::test_a"], project)
    assert (found.targets, found.asked) == (["./tests/test_a.py"], {"ids": ["tests/test_a.py::test_a"]})
    assert of_these(runner, ["-k"], replace(project, target="")).targets == ["./-k"]


def project_of(*files: str, target: str = "") -> Project:
    return Project(Place(Path("/x"), ""), target, {name: SandboxFile(name, b"") for name in files}, (), "")


@pytest.mark.parametrize(
    ("name", "whole", "one", "targets"),
    [
        ("node", "test/b.test.js", "test/a.test.js::a\nb", ["./test/b.test.js", "./test/a.test.js"]),
        (
            "jest",
            "test/b.test.js",
            "test/a.test.js::a\nb",
            ["^/workspace/test/b\\.test\\.js$", "^/workspace/test/a\\.test\\.js$"],
        ),
        ("go", "example.org/m/bad", "example.org/m::TestA", ["example.org/m/bad", "example.org/m"]),
        ("cargo", "tests/a.rs", "src/lib.rs::tests::b", []),
    ],
)
def test_a_file_that_could_not_be_loaded_is_run_whole_beside_tests_of_others(
    name: str, whole: str, one: str, targets: list[str]
) -> None:
    runner = by_name(Pack.find().manifests("runner"), name)
    project = project_of("test/a.test.js", "test/b.test.js")
    found = of_these(runner, [whole, one, "../c.test.js", "-x"], project)
    assert (list(found.targets), set(found.only), set(found.within)) == (targets, {one}, {whole})
    others = [f"{whole}::any", f"{one} more", f"{whole}x::any"]
    tests = [Event(event="report", id=test, category="passed") for test in (whole, one, *others)]
    assert Tally.of(tests, found.only, found.within).outcomes.keys() == {whole, one, others[0]}
    alone = of_these(runner, [whole], project)
    assert (list(alone.targets), set(alone.only), set(alone.within)) == (targets[:1], set(), {whole})


def test_a_title_of_nodes_that_holds_what_stands_between_levels_is_looked_for_as_it_is() -> None:
    runner = by_name(Pack.find().manifests("runner"), "node")
    found = of_these(runner, ["a.test.js::outer > a > b"], project_of("a.test.js"))
    names = [word.partition("=")[2] for word in found.targets if "=" in word]
    assert names == ["^outer$", "^a$", "^b$", "^outer > a$", "^a > b$", "^outer > a > b$"]
    deep = of_these(runner, [f"a.test.js::{' > '.join('x' * 900)}"], project_of("a.test.js"))
    assert len(deep.targets) == 3


BY_FOLDER = """
import os, unittest, own
class Test(unittest.TestCase):
    def test_a(self): self.fail(own.FOLDER)
    def test_b(self): pass
    def test_c(self):
        if os.path.exists(f"{own.FOLDER}/crash"): os.abort()
"""


async def test_failed_of_unittest_runs_in_each_folder_what_failed_there(house: Bench, project: Path) -> None:
    for folder in ("a", "b"):
        write(project, {f"{folder}/test_x.py": BY_FOLDER, f"{folder}/own.py": f"FOLDER = '{folder}'\n"})
        await house.run(path=folder, runner="unittest")
    again = await house.run(select="failed", runner="unittest")
    assert (again.counts.failed, again.counts.passed, again.counts.total, again.exit_code) == (2, 0, 2, 1)
    said = {failure.id: failure.message for failure in again.failures}
    assert said == {f"{folder}::test_x.Test.test_a": f"AssertionError: {folder}" for folder in ("a", "b")}
    write(project, {"b/crash": ""})
    ids = [f"{folder}::test_x.Test.test_{name}" for folder in ("a", "b") for name in "bc"]
    broke = await house.run(select="ids", ids=ids, runner="unittest")
    assert (broke.counts.passed, broke.counts.total, broke.exit_code) == (3, 4, 128 + 6)
    assert [failure.id for failure in broke.failures] == ["b::test_x.Test.test_c"]
    assert "SIGABRT" in broke.explanation


@pytest.mark.parametrize(
    ("name", "target", "counted"),
    [
        ("vitest", "a.test.ts", ["a.test.ts::x"]),
        ("vitest", "sub", ["sub/a.test.ts::x", "sub/deep/a.test.ts::x"]),
        ("vitest", "sub/deep", ["sub/deep/a.test.ts::x"]),
        ("vitest", "", None),
        ("jest", "a.test.ts", None),
    ],
)
def test_a_path_that_its_runner_finds_in_other_paths_too_is_all_that_counts(
    name: str, target: str, counted: list[str] | None
) -> None:
    files = ["a.test.ts", "a.test.tsx", "sub/a.test.ts", "sub/deep/a.test.ts", "other/sub/a.test.ts"]
    found = everything(by_name(Pack.find().manifests("runner"), name), project_of(*files, target=target))
    tests = [f"{file}::x" for file in files]
    told = [Event(event="report", id=test, category="passed") for test in tests]
    assert list(Tally.of(told, found.only, found.within).outcomes) == (tests if counted is None else counted)


@pytest.mark.full
async def test_of_one_file_vitest_tells_no_other(house: Bench, project: Path) -> None:
    begin = "import { test } from 'vitest';\n"
    write(
        project,
        {"package.json": '{"scripts": {"test": "vitest run"}}', "a.test.ts": f"{begin}test('one', () => {{}});"},
    )
    write(project, {"a.test.tsx": "throw new Error('at load')", "sub/a.test.ts": f"{begin}test('two', () => {{}});"})
    result = await house.run(path="a.test.ts")
    assert (result.counts.passed, result.counts.total, result.failures) == (1, 1, [])
    below = await house.run(path="sub")
    assert (below.counts.passed, below.counts.total, below.failures) == (1, 1, [])


FAILS = "test('a > \\nb', () => { throw new Error('boom'); });\ntest('c', () => {});\n"


@pytest.mark.full
@pytest.mark.parametrize("runner", ["node", "jest"])
async def test_a_file_that_could_not_be_loaded_is_among_what_failed_until_it_is_mended(
    house: Bench, project: Path, runner: str
) -> None:
    test = "const { test } = require('node:test');\n" if runner == "node" else ""
    write(project, {"package.json": '{"scripts": {"test": "node --test"}}'})
    write(project, {"test/a.test.js": f"{test}{FAILS}", "test/b.test.js": "throw new Error('at load');\n"})
    first = await house.run(runner=runner, reruns=1)
    assert {failure.id for failure in first.failures} == {"test/a.test.js::a > \nb", "test/b.test.js"}
    assert {failure.verdict for failure in first.failures} == {"broken"}
    again = await house.run(runner=runner, select="failed")
    assert {failure.id for failure in again.failures} == {"test/a.test.js::a > \nb", "test/b.test.js"}
    assert again.counts.passed == 0
    write(project, {"test/b.test.js": f"{test}test('now', () => {{}});\n"})
    mended = await house.run(runner=runner, select="failed")
    assert (mended.counts.passed, mended.counts.failed, mended.counts.total) == (1, 1, 2)
    assert [failure.id for failure in (await house.run(runner=runner, select="failed")).failures] == [
        "test/a.test.js::a > \nb"
    ]


async def test_failed_runs_what_failed_when_it_last_ran_and_tells_how_often(house: Bench, project: Path) -> None:
    write(
        project,
        {"tests/test_a.py": TWO_OF_FOUR, "tests/test_b.py": "import nothing_like_it", "test_c.py": "def test(): pass"},
    )
    none = (await house.call("test_run", select="failed")).error
    assert isinstance(none, NotFound)
    assert "on record" in none.message
    first = await house.run()
    assert (first.counts.errors, first.exit_code) == (1, 2)
    assert first.failures[0].history == ""
    write(project, {"tests/test_b.py": "def test_b(): pass"})
    whole = await house.run()
    assert (whole.counts.failed, whole.counts.passed) == (2, 4)
    again = await house.run(select="failed")
    assert {failure.id for failure in again.failures} == {
        "tests/test_a.py::test_words[odd one [x]]",
        "tests/test_a.py::test_more",
    }
    assert again.counts.total == 2
    assert all(failure.history.startswith("failed in 2 of its last 2 runs, first at 20") for failure in again.failures)
    assert again.failures[0].history in again.text()
    write(project, {"tests/test_a.py": TWO_OF_FOUR.replace("test_more(): assert 0", "test_other(): pass")})
    third = await house.run(select="failed", path="tests")
    assert (third.counts.failed, third.counts.total) == (1, 1)
    assert third.left_out == ["tests/test_a.py::test_more (there is no such test any more)"]
    other = (await house.other(principal="somebody else").call("test_run", select="failed")).error
    assert isinstance(other, NotFound)


@pytest.mark.full
async def test_where_nothing_failed_nothing_runs_and_that_is_no_error(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": "def test_a(): pass"})
    await house.run()
    result = await house.run(select="failed")
    assert (result.counts.total, result.exit_code) == (0, 0)
    assert "no test failed when it last ran" in result.text()


LAYERS = {
    "pkg/pyproject.toml": "",
    "pkg/src/toy/low.py": "def low(): return 1\n",
    "pkg/src/toy/high.py": "from toy import low\ndef high(): return low.low()\n",
    "pkg/tests/test_high.py": "import toy.high\ndef test_1(): assert toy.high.high()\ndef test_2(): pass\n",
    "pkg/tests/test_alone.py": "def test_alone(): pass\n",
    "README.md": "",
}


async def test_changed_runs_what_a_change_can_reach_and_says_why(house: Bench, project: Path) -> None:
    write(project, LAYERS)
    commit(project)
    result = await house.run(path="pkg", select="changed")
    assert (result.counts.total, result.explanation) == (0, "nothing changed since HEAD: nothing ran")
    write(project, {"pkg/src/toy/low.py": "def low(): return 0\n", "README.md": "not the project's"})
    result = await house.run(path="pkg", select="changed")
    assert (result.counts.passed, result.counts.failed, result.counts.total) == (1, 1, 2)
    [chosen] = result.selected
    assert (chosen.tests, chosen.ids) == (2, ["tests/test_high.py::test_1", "tests/test_high.py::test_2"])
    assert chosen.why == "it imports src/toy/low.py, which changed"
    assert chosen.text() in result.text()
    plain_git(project, "commit", "--all", "--quiet", "--message", "low")
    assert (await house.run(path="pkg", select="changed")).counts.total == 0
    write(project, {"pkg/tests/test_new.py": "def test_new(): pass\n"})
    result = await house.run(path="pkg", select="changed", since="HEAD~1")
    assert result.counts.total == 3
    write(project, {"pkg/words.txt": "whoever reads it"})
    result = await house.run(path="pkg", select="changed")
    assert result.counts.total == 4
    assert [chosen.why for chosen in result.selected] == ["words.txt changed, and which tests read it is not known"]


async def test_what_lies_in_a_submodule_may_have_changed_until_a_run_has_recorded_it(
    house: Bench, project: Path
) -> None:
    write(project, {"pkg/pyproject.toml": "", "pkg/test_a.py": "import lib\n\ndef test_a(): assert lib.X == 1\n"})
    write(project, {"pkg/test_b.py": "def test_b(): pass\n", "other/x.py": "", "pkg/lib/lib.py": "X = 1\n"})
    write(project, {"pkg/lib/__init__.py": "from .lib import X\n"})
    commit(project / "other")
    commit(project / "pkg/lib")
    commit(project)
    write(project, {"pkg/lib/lib.py": "X = 2\n"})
    result = await house.run(path="pkg", select="changed", coverage=True)
    assert [failure.id for failure in result.failures] == ["test_a.py::test_a"]
    assert result.counts.total == 1
    known = await house.run(path="pkg", select="changed")
    assert (known.counts.total, known.explanation) == (0, "nothing changed since HEAD: nothing ran")


@pytest.mark.full
async def test_where_no_test_is_reached_nothing_runs(house: Bench, project: Path) -> None:
    write(project, LAYERS)
    commit(project)
    write(project, {"pkg/src/toy/new.py": "x = 1\n"})
    result = await house.run(path="pkg", select="changed")
    assert (result.counts.total, result.exit_code) == (0, 0)
    assert result.explanation == "none of the 3 tests is reached by what changed: nothing ran"
    missing = (await house.call("test_run", path="pkg", select="changed", since="no-such-branch")).error
    assert isinstance(missing, NotFound)


@pytest.mark.full
async def test_what_a_stranger_says_of_its_selection_is_not_believed_and_breaks_nothing(
    house: Bench, project: Path
) -> None:
    forged = (
        "import json, pathlib\n"
        "def test_a():\n"
        "    out = pathlib.Path('.astro/out')\n"
        "    (out / 'selected.json').write_text('{\"collected\": -1, \"reasons\": 7}')\n"
        "    with open(out / 'pytest.jsonl', 'a') as log:\n"
        "        for id in ('../../etc/passwd', '/etc/passwd::x', '-k', 'x' * 39_000, 'test_b.py::test_b'):\n"
        "            told = {'event': 'report', 'id': id, 'category': 'failed', 'message': 'm'}\n"
        "            log.write(json.dumps(told) + '\\n')\n"
    )
    write(project, {"test_a.py": forged, "test_b.py": "def test_b(): pass\n"})
    commit(project)
    write(project, {"test_a.py": forged + "\n"})
    assert (await house.run(select="changed")).selected == []
    result = await house.run(select="failed")
    assert (result.counts.passed, result.counts.total) == (1, 1)


async def test_one_file_of_a_project_without_settings_is_run_by_its_path(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": "def test_a(): pass\n", "sub/test_b.py": "def test_b(): pass\n"})
    for path in ("test_a.py", "sub/test_b.py"):
        assert (await house.run(path=path)).counts.passed == 1
