"""`--full`: lines of JavaScript and TypeScript that ran: equal to the runners' own, and of what changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, at_once, commit, write
from tests.agents.tests.test_runners import runner_of

from astro_mcp.agents.tests.coverage import BROKE_OFF, ODD, ranges
from astro_mcp.errors import Unsupported
from astro_mcp.sandbox.job import Job, SandboxFile

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

VITEST = ("vitest@4.1.12", "@vitest/coverage-v8@4.1.12")
WORK = """const LIMIT = 3;

/* used by
   the test */
EXPORT function used(by = 1) {
  if (by > LIMIT) {
    return 0;
  }
  return by;
}

EXPORT function unused(by) {
  const found = [1, 2].map((each) => {
    return each;
  }).filter(
    Boolean,
  );
  // never
  return found;
}
"""
HEADS = {
    "node": "import { test } from 'node:test';\n",
    "jest": "",
    "vitest": "import { test } from 'vitest';\n",
    "ts": "import { test } from 'vitest';\n",
}
TEST = (
    "test('used', () => {\n  if (used() !== 1) throw new Error('odd');\n});\n"
    "test('bad', () => { throw new Error(); });\n"
)


def tree(kind: str) -> dict[str, str]:
    """A file that a test loads, and one that none does."""
    runner = "vitest" if kind == "ts" else kind
    end = {"node": "mjs", "jest": "js", "vitest": "mjs", "ts": "ts"}[kind]
    old = kind == "jest"
    work = WORK.replace("EXPORT ", "" if old else "export ") + ("module.exports = { used };\n" if old else "")
    if kind == "ts":
        work = work.replace("(by = 1)", "(by: number = 1): number").replace("(by)", "(by: number): number[]")
        work = f"export interface Shape {{\n  by: number;\n}}\n\n{work}"
    got = "const { used } = require('../src/work');\n" if old else f"import {{ used }} from '../src/work.{end}';\n"
    needs = dict(word.rsplit("@", 1) for word in VITEST) if runner == "vitest" else {}
    script = {"node": "node --test", "jest": "jest", "vitest": "vitest run"}[runner]
    return {
        "package.json": json.dumps({"scripts": {"test": script}, "devDependencies": needs}),
        f"src/work.{end}": work,
        f"src/alone.{end}": "const x = 1;\nconsole.log(\n  x,\n);\n",
        f"test/work.test.{end}": HEADS[kind] + got + TEST,
    }


OWN = {
    "node": "node --test --experimental-test-coverage --test-reporter=lcov --test-reporter-destination=out/own",
    "jest": "node /node_modules/jest/bin/jest.js --coverage --coverageReporters=json --coverageDirectory=out "
    "--collectCoverageFrom='**/*.js'",
    "vitest": "node /node_modules/vitest/vitest.mjs run --coverage.enabled --coverage.reporter=json "
    "--coverage.reportsDirectory=out --coverage.reportOnFailure --coverage.include='**/*.{ts,mjs}'",
}


async def own_report(
    house: Bench, runner: str, files: Mapping[str, str], needs: Sequence[str] = (), path: str = ""
) -> dict[str, tuple[int, str]]:
    """Lines and those that did not run by file, as the runner tells them with nothing of ours in the same image."""
    means = runner_of(runner).image
    base = await house.sandbox.language_image(means.debian, "scripts/setup --full")
    wanted = (*needs, *(VITEST if runner == "vitest" else means.npm))
    image = await house.sandbox.package_image("npm", base, "local", wanted) if wanted else base
    sources = tuple(SandboxFile(path, text.encode()) for path, text in files.items())
    job = Job(("bash", "-c", f"mkdir -p out; {OWN[runner]} {path}; true"), files=sources, image=image, timeout=200.0)
    outcome = await house.sandbox.run(job)
    told = {file.path: file.data.decode() for file in outcome.files}
    return of_lcov(told["own"], files) if runner == "node" else of_istanbul(json.loads(told["coverage-final.json"]))


def of_istanbul(found: Mapping[str, Mapping[str, dict[str, object]]]) -> dict[str, tuple[int, str]]:
    """By istanbul's rule: the lines that statements begin in, which ran where one of those did."""
    told = {}
    for path, each in found.items():
        ran: dict[int, int] = {}
        for number, place in each["statementMap"].items():
            line = place["start"]["line"]  # type: ignore[index] # it is istanbul's own
            ran[line] = max(ran.get(line, 0), each["s"][number])  # type: ignore[call-overload] # as above
        told[path.removeprefix("/workspace/")] = len(ran), ranges(line for line, count in ran.items() if not count)
    return told


def of_lcov(text: str, files: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Node tells of each line, of empty ones and comments as well, and of what tests run elsewhere."""
    told = {}
    for path, rows in re.findall(r"SF:(.+)\n((?:.*\n)*?)end_of_record", text):
        if path not in files:
            continue
        lines = ["", *files[path].split("\n")]
        comment = re.compile(r"\s*(//|/\*|\*|the test \*/)")
        holds = {number for number, line in enumerate(lines) if re.search(r"\w", line) and not comment.match(line)}
        counts = {int(line): int(count) for line, count in re.findall(r"DA:(\d+),(\d+)", rows)}
        counts = {line: count for line, count in counts.items() if line in holds}
        told[path] = len(counts), ranges(line for line, count in counts.items() if not count)
    return told


@pytest.mark.parametrize("kind", HEADS)
async def test_lines_are_those_of_the_runner_itself_and_changed_lines_are_told(
    house: Bench, project: Path, kind: str
) -> None:
    files, runner = tree(kind), "vitest" if kind == "ts" else kind
    [work] = [path for path in files if path.startswith("src/work")]
    [alone] = [path for path in files if path.startswith("src/alone")]
    write(project, files)
    commit(project)
    files[work] = files[work].replace("    Boolean,\n", "    (each) => each,\n").replace("// never", "// at no time")
    files[alone] = files[alone].replace("  x,", "  x + 1,")
    write(project, files)
    result, own = await at_once(house.run(coverage=True), own_report(house, runner, files))
    assert (result.runner, result.counts.passed, result.counts.failed) == (runner, 1, 1)
    found = result.coverage
    assert found is not None
    told = {each.file: (each.lines, each.missing) for each in found.files}
    if runner == "node":  # which itself tells nothing of it
        own[alone] = (3, "1-3")
    assert told == own
    assert own[work][1] != ""
    lines, missing = sum(lines for lines, _ in own.values()), sum(len(numbers(text)) for _, text in own.values())
    assert (found.lines, found.covered) == (lines, lines - missing)
    assert (found.complete, found.notes) == (True, [])

    lines_of = files[work].split("\n")
    bad = lines_of.index("    (each) => each,") + 1
    begin = 3 if runner == "node" else 2
    assert found.changed is not None
    assert (found.changed.since, found.changed.lines, found.changed.covered) == ("HEAD", 2, 0)
    assert {each.file: each.lines for each in found.changed.missing} == {work: str(bad), alone: str(begin)}
    assert f"did not run: {work}:{bad}" in result.text()


def numbers(text: str) -> list[int]:
    spans = [(int(first), int(last or first)) for first, last in re.findall(r"(\d+)(?:-(\d+))?", text)]
    return [line for first, last in spans for line in range(first, last + 1)]


async def test_a_changed_argument_of_a_call_is_the_line_that_the_call_begins_in(house: Bench, project: Path) -> None:
    inner = "() => {\n      return [\n        2,\n      ];\n    }"
    text = f"exports.f = () => {{\n  return [\n    1,\n    // why\n    {inner},\n    3,\n  ];\n}};\n"
    test = "const { f } = require('./work');\ntest('f', () => { f(); });\n"
    write(project, {"package.json": '{"jest": {}}', "work.js": text, "work.test.js": test})
    commit(project)
    write(project, {"work.js": text.replace("    3,", "    4,").replace("why", "how").replace("    2,", "    3,")})
    found = (await house.run(coverage=True, runner="jest")).coverage
    assert found is not None
    assert found.changed is not None
    assert (found.changed.lines, found.changed.covered) == (2, 1)
    assert [(each.file, each.lines) for each in found.changed.missing] == [("work.js", "6")]


async def test_some_tests_alone_are_counted_and_what_failed_runs_again(house: Bench, project: Path) -> None:
    files = tree("jest")
    write(project, files | {"test/alone.test.js": "test('alone', () => { require('../src/alone.js'); });\n"})
    commit(project)
    write(project, {"src/alone.js": files["src/alone.js"].replace("x = 1", "x = 2")})
    result = await house.run(select="changed", coverage=True, reruns=1)
    assert (result.counts.passed, result.counts.total) == (1, 1)
    assert result.coverage is not None
    assert {each.file: each.missing for each in result.coverage.files}["src/alone.js"] == ""
    result = await house.run(select="ids", ids=["test/work.test.js::bad"], coverage=True, reruns=1)
    assert [failure.verdict for failure in result.failures] == ["broken"]
    assert result.coverage is not None
    assert result.coverage.changed is not None
    assert [each.lines for each in result.coverage.changed.missing] == ["1"]


async def test_settings_of_the_project_hold_but_for_thresholds_and_what_they_leave_out_is_told(
    house: Bench, project: Path
) -> None:
    files = tree("jest")
    limits = {"global": {"lines": 100}, "src/other.js": {"lines": 1}}
    settings = {"collectCoverageFrom": ["src/work.js"], "coverageThreshold": limits}
    files["package.json"] = json.dumps({"scripts": {"test": "jest"}, "jest": settings})
    files["test/work.test.js"] = "require('child_process');\n" + files["test/work.test.js"].split("test('bad'")[0]
    write(project, files)
    commit(project)
    write(project, {"src/alone.js": "const y = 1;\n", "src/work.js": files["src/work.js"].replace("= 3", "= 4")})
    result = await house.run(coverage=True)
    assert (result.counts.passed, result.exit_code) == (1, 0)
    found = result.coverage
    assert found is not None
    assert [each.file for each in found.files] == ["src/work.js"]
    assert (found.complete, len(found.notes)) == (False, 2)
    assert found.notes[0].startswith("nothing is counted of src/alone.js, which changed: ")
    assert found.notes[1].endswith(": test/work.test.js")
    assert found.changed is not None
    assert (found.changed.lines, found.changed.covered) == (1, 1)
    assert all(note in result.text() for note in found.notes)


async def test_vitest_counts_by_the_provider_that_the_project_names_and_says_where_there_is_none(
    house: Bench, project: Path
) -> None:
    files = tree("ts")
    files["test/work.test.ts"] = files["test/work.test.ts"].split("test('bad'")[0]
    limits = "{ lines: 100, perFile: true, 'src/*.ts': { lines: 100 }, 'src/none.ts': { lines: 1 } }"
    settings = f"export default {{ test: {{ coverage: {{ thresholds: {limits}, include: ['src/work.ts'] }} }} }};\n"
    write(project, files | {"package.json": '{"devDependencies": {"vitest": "4.1.12"}}', "vitest.config.mjs": settings})
    error = (await house.call("test_run", coverage=True, runner="vitest")).error
    assert isinstance(error, Unsupported)
    assert "@vitest/coverage-v8 or @vitest/coverage-istanbul" in error.message
    assert error.hint.startswith("npm install --save-dev @vitest/coverage-v8 ")

    needs = {"vitest": "4.1.12", "@vitest/coverage-istanbul": "4.1.12"}
    write(project, {"package.json": json.dumps({"devDependencies": needs})})
    result = await house.run(coverage=True, runner="vitest")
    assert (result.counts.passed, result.exit_code) == (1, 0)
    assert result.coverage is not None
    assert [(each.file, each.lines) for each in result.coverage.files] == [("src/work.ts", 7)], "istanbul's own"
    assert result.coverage.complete


FORGED = [
    '{"kind": "file", "path": "../../etc/passwd", "statements": [[1, 9]], "ran": [[1, 9]]}',
    '{"kind": "file", "path": "/workspace/work.js", "statements": [[1, 9]], "ran": [[1, 9]]}',
    '{"kind": "file", "path": "work.js", "statements": [[1, 9999999]], "ran": [[0, 9999999]]}',
    '{"kind": "file", "path": "work.js", "spans": [[1, 2, 9999999]]}',
    '{"kind": "file", "path": "work.js", "statements": [[1, 1e300]]}',
    '{"kind": "file", "path": "work.js", "statements": [[-5, 99999999999999999999]]}',
    '{"kind": "file", "path": "work.js", "spans": [[1], [1, 2, 3, 4]]}',
    '{"kind": "end"',
    "[" * 10_000,
]


@pytest.mark.parametrize("runner", ["node", "jest"])
async def test_what_a_stranger_writes_of_its_lines_is_not_believed_and_breaks_nothing(
    house: Bench, project: Path, runner: str
) -> None:
    head = "const { test } = require('node:test');\n" if runner == "node" else ""
    body = (
        "const fs = require('fs'); const { f } = require('./work.js');\n"
        "test('a', () => {\n  f();\n  const out = '.astro/out';\n  fs.mkdirSync(out, { recursive: true });\n"
        "  fs.copyFileSync('lines.txt', `${out}/covered-x.jsonl`);\n"
        "  fs.symlinkSync('/etc/passwd', `${out}/covered-y.jsonl`);\n});\n"
    )
    files = {"package.json": "{}", "work.js": "exports.f = () => 1;\nexports.g = () => {\n  return 2;\n};\n"}
    write(project, files | {"a.test.js": head + body, "lines.txt": "\n".join(FORGED)})
    result = await house.run(coverage=True, runner=runner)
    assert result.counts.passed == 1
    found = result.coverage
    assert found is not None
    assert {each.file for each in found.files} <= {"work.js", "a.test.js"}
    assert {each.file: each.lines for each in found.files}["work.js"] <= files["work.js"].count("\n") + 1
    assert (found.complete, found.changed) == (False, None)
    assert ODD in found.notes


CUT = {
    "node": "const { test } = require('node:test');\ntest('a', () => process.kill(process.ppid, 'SIGKILL'));\n",
    "jest": "test('a', () => { for (;;); });\n",
}


@pytest.mark.parametrize("runner", CUT)
async def test_where_the_run_breaks_off_its_lines_are_not_known_and_that_is_told(
    house: Bench, project: Path, runner: str
) -> None:
    write(project, {"package.json": "{}", "a.test.js": CUT[runner]})
    result = await house.run(coverage=True, runner=runner, timeout=8)
    assert result.coverage is not None
    assert (result.coverage.complete, result.coverage.lines) == (False, 0)
    assert BROKE_OFF in result.text()
