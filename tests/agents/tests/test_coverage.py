"""Lines that ran: equal to coverage.py's own, of what changed, and believed no further than they can be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, at_once, commit, write

from astro_mcp.agents.tests.coverage import AWAY, BROKE_OFF, coverage, ranges
from astro_mcp.agents.tests.covered import read
from astro_mcp.agents.tests.project import Project
from astro_mcp.errors import Unsupported
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.workspace.place import Place

WORK = (
    "import sys\nLIMIT = 3\n\ndef used(by=1):\n    if by > LIMIT:\n        return 0\n    return by\n\n"
    "def unused():\n    return (\n        2\n    )\n\nif LIMIT > 9:  # never\n    sys.exit()\n"
)
TOY = {
    "pyproject.toml": "[tool.coverage.report]\nexclude_also = ['never']\n",
    "src/toy/__init__.py": "",
    "src/toy/work.py": WORK,
    "src/toy/alone.py": "x = 1\ny = 2\n",
    "src/toy/shared.py": "def shared():\n    return 1\n",
    "tests/conftest.py": "import pytest\nfrom toy.shared import shared\n"
    "@pytest.fixture(scope='module')\ndef value():\n    return shared()\n",
    "tests/test_used.py": "from toy.work import used\ndef test_used(): assert used() == 1\n"
    "def test_reads(monkeypatch):\n    monkeypatch.setattr('os.getcwd', None)\n    open('words.txt').close()\n"
    "def test_shared(value): pass\ndef test_none(value): pass\n",
    "words.txt": "",
}


async def own_report(house: Bench, project: Path) -> dict[str, tuple[int, str]]:
    """Statements and missing lines by file, as coverage.py tells them with nothing of ours in the same image."""
    image = await house.sandbox.python_image("local", ["coverage>=7.6", "pytest>=7"])
    files = tuple(
        SandboxFile(str(path.relative_to(project)), path.read_bytes())
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.parts
    )
    line = "python3 -m coverage run --source=.,src -m pytest -q; python3 -m coverage json -q -o out/c.json"
    job = Job(("sh", "-c", line), files=files, image=image, env={"PYTHONPATH": "/workspace/src"})
    outcome = await house.sandbox.run(job)
    found = json.loads(next(file.data for file in outcome.files if file.path == "c.json"))
    return {
        path: (each["summary"]["num_statements"], ranges(each["missing_lines"]))
        for path, each in found["files"].items()
    }


async def test_lines_are_those_of_coverage_itself_and_changed_lines_are_told(house: Bench, project: Path) -> None:
    write(project, TOY)
    commit(project)
    write(project, {"src/toy/work.py": WORK.replace("(\n        2\n", "(\n        3\n"), "src/toy/new.py": "z = 1\n"})
    result, own = await at_once(house.run(coverage=True), own_report(house, project))
    found = result.coverage
    assert found is not None
    assert {each.file: (each.lines, each.missing) for each in found.files} == own
    assert own["src/toy/work.py"] == (8, "6, 10")
    lines, ran = sum(lines for lines, _ in own.values()), found.covered
    assert (found.lines, found.percent, found.complete) == (lines, round(100 * ran / lines, 2), True)
    assert found.changed is not None
    assert (found.changed.since, found.changed.lines, found.changed.percent) == ("HEAD", 2, 0)
    assert [(each.file, each.lines) for each in found.changed.missing] == [
        ("src/toy/new.py", "1"),
        ("src/toy/work.py", "10"),
    ]
    assert "did not run: src/toy/work.py:10" in result.text()


@pytest.mark.parametrize("runner", ["unittest", "go", "cargo", "ctest"])
async def test_what_can_count_no_lines_says_which_runners_can(house: Bench, project: Path, runner: str) -> None:
    write(project, {"a.txt": ""})
    error = (await house.call("test_run", coverage=True, runner=runner)).error
    assert isinstance(error, Unsupported)
    assert error.message == f"lines are counted for jest, node, pytest, vitest, and not for {runner}"


SHARED = "def shared():\n    return 2\n"


@pytest.mark.full
async def test_by_what_was_recorded_a_change_of_a_body_reaches_those_that_ran_it(house: Bench, project: Path) -> None:
    write(project, TOY)
    commit(project)
    assert (await house.run(coverage=True)).counts.passed == 4
    write(project, {"src/toy/work.py": WORK.replace("return by", "return by + 0")})
    result = await house.run(select="changed")
    assert [(chosen.why, chosen.ids) for chosen in result.selected] == [
        ("it ran or read src/toy/work.py, which changed", ["tests/test_used.py::test_used"])
    ]
    write(project, {"src/toy/work.py": WORK, "words.txt": "other", "src/toy/shared.py": SHARED})
    result = await house.run(select="changed")
    assert [chosen.ids for chosen in result.selected] == [
        ["tests/test_used.py::test_reads"],
        ["tests/test_used.py::test_shared", "tests/test_used.py::test_none"],  # by the fixture that they share
    ]


@pytest.mark.full
async def test_what_runs_while_one_test_imports_is_every_tests_that_imports_it(house: Bench, project: Path) -> None:
    first = "def test_{0}():\n    import late\n    assert late.X\n"
    write(project, {f"test_{name}.py": first.format(name) for name in "ab"})
    write(project, {"late.py": "def x():\n    return 1\nX = x()\n", "test_c.py": "def test_c(): pass\n"})
    commit(project)
    await house.run(coverage=True)
    write(project, {"late.py": "def x():\n    return 2\nX = x()\n"})
    result = await house.run(select="changed")
    assert {test for chosen in result.selected for test in chosen.ids} == {"test_a.py::test_a", "test_b.py::test_b"}
    assert result.counts.total == 2


@pytest.mark.full
async def test_a_record_is_kept_up_by_runs_of_what_a_change_reaches(house: Bench, project: Path) -> None:
    write(project, TOY)
    commit(project)
    await house.run(coverage=True)
    write(project, {"src/toy/shared.py": SHARED})
    assert (await house.run(select="changed", coverage=True)).counts.total == 2
    commit(project)
    write(project, {"src/toy/work.py": WORK.replace("return by", "return 0 + by")})
    result = await house.run(select="changed")
    assert [chosen.ids for chosen in result.selected] == [["tests/test_used.py::test_used"]]
    other = await house.other(principal="somebody else").run(select="changed")
    assert "it imports" in other.selected[0].why
    assert other.counts.total == 4


def test_a_line_that_is_no_statement_has_not_run_whatever_a_stranger_writes() -> None:
    lines = [
        {"kind": "file", "path": "a.py", "statements": [[1, 2]], "ran": [[1, 1], [3, 9]]},
        {"kind": "file", "path": "b.py", "statements": [], "ran": [[1, 9]]},
    ]
    log = "\n".join(map(json.dumps, lines)).encode()
    outcome = Outcome(0, b"", b"", (SandboxFile("covered-x.jsonl", log),), (), 0.0, 1.0)
    files = {name: SandboxFile(name, b"\n" * 9) for name in ("a.py", "b.py")}
    project = Project(Place(Path("/x"), ""), "", files, (), "pytest")
    found = coverage(read(outcome, project), None, project, "")
    assert (found.percent, found.covered, found.lines) == (50.0, 1, 2)


@pytest.mark.full
async def test_what_a_stranger_writes_of_its_lines_is_not_believed_and_breaks_nothing(
    house: Bench, project: Path
) -> None:
    forged = [
        {"kind": "file", "path": "../../etc/passwd", "statements": [[1, 9]], "ran": [[1, 9]]},
        {"kind": "file", "path": "test_a.py", "statements": [[1, 10_000_000]], "ran": [[0, 10_000_000]]},
        {"kind": "file", "path": "test_a.py", "spans": [[1, 10_000_000]] * 1000},
        {"kind": "test", "id": "x" * 4_000, "opened": [7]},
        {"kind": "end", "common": [10_000]},
        {"kind": "file", "statements": "all"},
        {"kind": "file", "path": "test_a.py", "skeleton": "../../x"},
    ]
    text = "\n".join(json.dumps(line) for line in forged) + '\n{"kind"\n'
    write(
        project,
        {
            "test_a.py": "import pathlib\ndef test_a():\n"
            "    pathlib.Path('.astro/out/covered-x.jsonl').write_text(pathlib.Path('lines').read_text())\n"
            "    pathlib.Path('.astro/out/covered-y.jsonl').symlink_to('/etc/passwd')\n",
            "lines": text,
        },
    )
    found = (await house.run(coverage=True)).coverage
    assert found is not None
    assert [(each.file, each.lines) for each in found.files] == [("test_a.py", 5)]
    assert (found.complete, found.changed) == (False, None)
    assert any("no git repository" in note for note in found.notes)
    assert (await house.call("test_run", coverage=True, since="main")).error is not None


@pytest.mark.full
async def test_workers_forks_and_the_projects_own_coverage_are_counted_together(house: Bench, project: Path) -> None:
    write(project, TOY)
    write(
        project,
        {
            "requirements.txt": "pytest-xdist\npytest-cov",
            "pytest.ini": "[pytest]\naddopts = -n 2 --cov=toy --cov-fail-under=99\n",
            "tests/test_forks.py": (
                "import multiprocessing, os\nfrom toy.work import unused\n"
                "def test_fork():\n"
                "    child = multiprocessing.get_context('fork').Process(target=unused)\n"
                "    child.start(); child.join()\n    assert child.exitcode == 0\n"
            ),
        },
    )
    result = await house.run(coverage=True)
    assert (result.counts.passed, result.exit_code) == (5, 0)
    found = result.coverage
    assert found is not None
    assert {each.file: each.missing for each in found.files if "work" in each.file} == {"src/toy/work.py": "6"}
    assert (found.complete, found.notes[-1]) == (False, AWAY)


@pytest.mark.full
async def test_where_the_run_breaks_off_its_lines_are_not_known_and_that_is_told(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": "import os\ndef test_a(): os.kill(os.getpid(), 11)\n", ".coveragerc": "[run\n"})
    result = await house.run(coverage=True)
    assert result.coverage is not None
    assert (result.coverage.complete, result.coverage.lines) == (False, 0)
    assert BROKE_OFF in result.text()


@pytest.mark.full
async def test_older_versions_that_a_project_pins_will_do(house: Bench, project: Path) -> None:
    write(project, TOY)
    write(project, {"requirements.txt": "coverage==7.6.1\npytest==7.4.4"})
    found = (await house.run(coverage=True)).coverage
    assert found is not None
    assert (found.complete, found.lines - found.covered) == (True, 4)
