"""How runners of JavaScript are told to count lines, and what is believed of what comes back; without a sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from astro_mcp.agents.tests import counting
from astro_mcp.agents.tests.changes import Changes
from astro_mcp.agents.tests.choice import by_name
from astro_mcp.agents.tests.coverage import coverage
from astro_mcp.agents.tests.covered import LINE, Covered, read
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.targets import command
from astro_mcp.errors import Unsupported
from astro_mcp.packs import Pack
from astro_mcp.runner import Runner
from astro_mcp.sandbox.job import Outcome, SandboxFile
from astro_mcp.workspace.place import Place

RUNNERS = Pack.find().manifests("runner")


def runner_of(name: str) -> Runner:
    return by_name(RUNNERS, name)


def project_of(**files: str) -> Project:
    made = {path: SandboxFile(path, text.encode()) for path, text in files.items()}
    return Project(Place(Path("/x"), ""), "", made, (), "jest")


def told(*lines: object) -> Outcome:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return Outcome(0, b"", b"", (SandboxFile("covered-1.jsonl", text.encode()),), (), 0.0, 0.0)


def test_lines_are_counted_by_pytest_and_what_runs_javascript_alone() -> None:
    assert {runner.name for runner in RUNNERS if counting.counts(runner)} == {"pytest", "jest", "vitest", "node"}


@pytest.mark.parametrize("name", ["jest", "vitest", "node"])
def test_a_runner_is_told_to_count_where_that_is_asked_and_nothing_of_it_where_not(name: str) -> None:
    runner = runner_of(name)
    assert runner.coverage is not None
    plain = command(runner, ["./a"], "R")
    words = counting.words(runner, project_of(), {"@vitest/coverage-v8"})
    counted = command(runner, ["./a"], "R", words)
    assert not [word for word in plain if "coverage" in word.lower()]
    assert [word for word in counted if word not in words] == list(plain)
    assert counted[-1] == "./a", "no option that takes a list is right before the paths"
    assert set(runner.coverage.argv) <= set(counted)


def test_all_files_count_where_no_settings_say_which_and_they_are_not_too_many() -> None:
    jest, vitest = runner_of("jest"), runner_of("vitest")
    assert jest.coverage is not None
    assert vitest.coverage is not None
    every = set(jest.coverage.every)
    assert every <= set(counting.words(jest, project_of(**{"package.json": "{}"}), ()))
    named = project_of(**{"package.json": '{"jest": {"collectCoverageFrom": []}}'})
    assert not every & set(counting.words(jest, named, ()))
    below = project_of(**{"x/package.json": '{"jest": {"collectCoverageFrom": []}}'})
    assert every <= set(counting.words(jest, below, ()))
    many = project_of(**{f"{number}.js": "" for number in range(counting.MOST + 1)})
    assert not every & set(counting.words(jest, many, ()))
    settings = project_of(**{"vite.config.ts": "export default { test: { coverage: {} } }"})
    assert not set(vitest.coverage.every) & set(counting.words(vitest, settings, ()))


def test_of_several_providers_the_settings_choose_and_of_one_it_is_that() -> None:
    runner, both = runner_of("vitest"), {"@vitest/coverage-v8", "@vitest/coverage-istanbul"}
    assert "--coverage.provider=istanbul" in counting.words(runner, project_of(), {"@vitest/coverage-istanbul"})
    assert not [word for word in counting.words(runner, project_of(), both) if "provider" in word]
    counting.needed(runner, both)
    counting.needed(runner_of("jest"), ())
    with pytest.raises(Unsupported, match="does not name: @vitest/coverage-v8 or @vitest/coverage-istanbul"):
        counting.needed(runner, {"vitest", "@vitest/coverage-c8"})


def test_what_a_file_tells_of_paths_and_lines_that_are_not_there_counts_nowhere() -> None:
    project = project_of(**{"a.js": "1\n2\n3\n"})
    huge = 10_000_000
    found = read(
        told(
            {"kind": "file", "path": "../a.js", "statements": [[1, 2]], "ran": [[1, 2]]},
            {"kind": "file", "path": "/workspace/a.js", "statements": [[1, 2]]},
            {"kind": "file", "path": "__proto__", "statements": [[1, 2]]},
            {"kind": "file", "path": "a.js", "statements": [[1, huge]], "ran": [[0, huge]]},
            {"kind": "file", "path": "a.js", "spans": [[1, huge, huge]] * 1_000},
            {"kind": "file", "path": "a.js", "statements": [[1, huge + 1]]},
            {"kind": "file", "path": "a.js", "statements": [[1, -1]]},
            {"kind": "file", "path": "a.js", "spans": [[1]]},
            {"kind": "file", "path": "a.js", "spans": [[1, 2, 3, 4]]},
            {"kind": "file", "path": "a.js", "statements": [[1, True], [1, "2"], [1, 1.5]]},
            {"kind": "file", "path": "a.js" * 2_000},
            {"kind": "file", "path": "a.js", "skeleton": "x" * LINE},
            '{"kind": "file", "path": "a.js", "statements": [[1, 1e999]]}',
            '{"kind": "end", NaN}',
            "[" * 100_000,
            "\x00\xff",
        ),
        project,
    )
    assert found.statements == {"a.js": {1, 2, 3, 4}}
    assert found.ran == {"a.js": {1, 2, 3, 4}}
    assert set(found.first["a.js"]) <= {1, 2, 3, 4}
    assert found.statements_at("a.js", [1]) == set(), "where its statement begins is no line of the file"
    assert (found.whole, found.not_understood) == (False, 14)


def test_a_line_is_that_of_the_statement_that_it_is_told_to_belong_to() -> None:
    project = project_of(**{"a.js": "\n" * 20})
    found = read(
        told({"kind": "file", "path": "a.js", "statements": [[1, 1], [5, 5]], "spans": [[2, 3, 1], [6, 7], [9, 9, 1]]}),
        project,
    )
    assert found.statements_at("a.js", [3]) == {1}
    assert found.statements_at("a.js", [9]) == {1}
    assert found.statements_at("a.js", [4, 7, 8]) == set()


@pytest.mark.parametrize(
    ("path", "text", "noted"),
    [
        ("src/new.js", "1", True),
        ("src/new.ts", "1", True),
        ("src/new.d.ts", "1", False),
        ("src/new.test.js", "1", False),
        ("src/__tests__/new.js", "1", False),
        ("README.md", "1", False),
        ("a.js", "1", False),
    ],
)
def test_changed_code_that_is_in_no_number_is_told_and_what_was_counted_is_not_whole(
    path: str, text: str, *, noted: bool
) -> None:
    project = project_of(**{path: text, "a.js": "1"})
    changes = Changes("HEAD", frozenset({path}), {path: frozenset({1}), "gone.js": frozenset()})
    covered = Covered(statements={"a.js": {1}}, ran={"a.js": {1}}, whole=True)
    notes = list(counting.uncounted(runner_of("jest"), covered, changes, project))
    assert bool(notes) == noted
    found = coverage(covered, changes, project, "", notes)
    assert (found.complete, found.notes) == (not noted, notes)


@pytest.mark.parametrize("name", ["child_process", "node:worker_threads", "execa"])
def test_where_tests_or_what_they_load_may_start_programs_that_is_told(name: str) -> None:
    text = f"const x = require('{name}');"
    covered = Covered(statements={"a.js": {1}, "b.js": {1}}, ran={"a.js": {1}, "b.js": set()}, whole=True)
    jest, node = runner_of("jest"), runner_of("node")
    for path, noted in {"a.js": True, "b.js": False, "x.test.js": True}.items():
        project = project_of(**{"a.js": "", "b.js": "", path: text})
        assert bool(list(counting.uncounted(jest, covered, None, project))) == noted, path
        assert not list(counting.uncounted(node, covered, None, project)), "node counts these"


def test_a_note_names_few_files_and_none_of_their_control_characters() -> None:
    project = project_of(**{f"\x1b[2J{number}.js": "" for number in range(9)})
    changes = Changes("HEAD", frozenset(project.files), dict.fromkeys(project.files, frozenset({1})))
    [note] = counting.uncounted(runner_of("node"), Covered(whole=True), changes, project)
    assert "and 4 more" in note
    assert "\x1b" not in note
