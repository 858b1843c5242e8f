"""`test_run` with every runner that there is a manifest for, on small projects with all that each of them knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.tests.bench import Bench, at_once, bench, write
from tests.agents.tests.toys import TOYS, own_counts

from astro_mcp.agents.tests.choice import by_name
from astro_mcp.agents.tests.models import RunOutput
from astro_mcp.errors import NotFound, SandboxUnavailable, Unavailable, Unsupported
from astro_mcp.packs import Pack
from astro_mcp.runner import Runner

SHORT = ("unittest",)
LONG = [pytest.mark.full, pytest.mark.timeout(600)]  # go compiles its standard library anew in every run
RUNNERS = [name if name in SHORT else pytest.param(name, marks=LONG) for name in TOYS]


def runner_of(name: str) -> Runner:
    return by_name(Pack.find().manifests("runner"), name)


async def image_of(house: Bench, name: str) -> str:
    """The image with the runner itself, as `test_run` has it made."""
    image = runner_of(name).image
    base = await house.sandbox.language_image(image.debian, "scripts/setup --full") if image.debian else ""
    return await house.sandbox.package_image("npm", base, "local", image.npm) if image.npm else base


def compared(result: RunOutput) -> dict[str, int]:
    told = re.search(r"also counted: (.*)", result.explanation)
    others = {name: int(count) for count, name in re.findall(r"(\d+) ([a-z]+)", told[1])} if told else {}
    return {name: count for name, count in result.counts if count} | others


@pytest.mark.parametrize("name", RUNNERS)
async def test_the_counts_are_the_runners_own_in_the_same_image_and_its_ids_run_again(
    house: Bench, project: Path, name: str
) -> None:
    toy, runner = TOYS[name], runner_of(name)
    write(project, dict(toy.files))
    image = await image_of(house, name)
    environ = {key: runner.env[key] for key in runner.env if key[0:5] != "ASTRO"}
    result, own = await at_once(house.run(timeout=240), own_counts(house.sandbox, toy, image, environ))
    counted = compared(result)
    assert {word: counted.get(word, 0) for word in own} == own
    assert result.runner == name
    assert len(own) >= 3
    assert own["failed"] >= 1
    slow = [each.seconds for each in result.slowest]
    assert slow == sorted(slow, reverse=True)
    assert slow or name == "cargo", "cargo tells no times"

    failure = next(item for item in result.failures if item.id == toy.bad)
    assert (failure.file, failure.line) == toy.place
    assert all(word in failure.message + failure.trace + failure.stdout for word in toy.said)

    asked = [toy.bad, *toy.also]
    again = await house.run(select="ids", ids=asked, timeout=240, runner=name)
    assert again.counts.total == len(asked)
    assert toy.bad in [item.id for item in again.failures]
    assert not {item.id for item in again.failures} - set(asked)
    assert sum(compared(again).values()) == 2 * len(asked), "each is counted once, and in the total"


@pytest.mark.parametrize("name", RUNNERS)
async def test_what_failed_is_run_again_alone_by_every_runner(house: Bench, project: Path, name: str) -> None:
    toy = TOYS[name]
    write(project, dict(toy.files))
    await house.run(timeout=240)
    result = await house.run(select="failed", timeout=240)
    assert toy.bad in [item.id for item in result.failures]
    assert result.counts.passed == 0
    assert isinstance((await house.call("test_run", select="changed", runner=name)).error, NotFound | Unsupported)


@pytest.mark.full
@pytest.mark.parametrize("name", TOYS)
async def test_whoever_watches_sees_tests_finish(house: Bench, project: Path, name: str) -> None:
    seen: list[tuple[float, str]] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        seen.append((done, text))

    write(project, dict(TOYS[name].files))
    await house.call("test_run", progress, timeout=240)
    steps = [done for done, text in seen if not text.startswith(("resolving", "fetched", "installing"))]
    assert steps
    assert steps[-1] == max(steps) >= (1 if name in ("jest", "vitest") else 5)


@pytest.mark.full
@pytest.mark.full
@pytest.mark.timeout(600)
async def test_members_of_a_cargo_workspace_are_told_apart_and_run_alone_and_what_does_not_compile_is_told(
    house: Bench, project: Path
) -> None:
    package = '[package]\nname = "{}"\nversion = "0.1.0"\nedition.workspace = true\n'
    top = '[workspace]\nmembers = ["a", "b"]\nresolver = "2"\n[workspace.package]\nedition = "2021"\n'
    files = {"Cargo.toml": top}
    files |= {f"{name}/Cargo.toml": package.format(name) for name in "ab"}
    test = "/// ```\n/// nothing_like_it\n/// ```\npub fn f() {}\n#[test] fn same() { assert!(false); }\n"
    write(project, files | {f"{name}/src/lib.rs": test for name in "ab"})
    result = await house.run(timeout=240)
    same = [failure for failure in result.failures if failure.id.endswith("::same")]
    assert [(failure.id, failure.file) for failure in same] == [
        (f"{name}/src/lib.rs::same", f"{name}/src/lib.rs") for name in "ab"
    ]
    assert {failure.file for failure in result.failures} == {"a/src/lib.rs", "b/src/lib.rs"}
    alone = await house.run(select="ids", ids=["b/src/lib.rs::same"], timeout=240)
    assert ([failure.id for failure in alone.failures], alone.counts.total) == (["b/src/lib.rs::same"], 1)
    member = await house.run(path="b", timeout=240)
    assert [failure.file for failure in member.failures] == ["b/src/lib.rs"] * 2
    write(project, {"b/src/lib.rs": "fn"})
    broken = await house.run(timeout=240)
    assert "could not compile `b`" in broken.explanation
    assert "reason" not in broken.explanation


async def test_unittest_searches_a_folder_that_is_no_package_and_gives_ids_that_run_again(
    house: Bench, project: Path
) -> None:
    text = "import unittest, lib\nclass T(unittest.TestCase):\n    def test_a(self): self.fail(lib.SAID)\n"
    write(project, {"lib.py": "SAID = 'from the top'", "checks/test_a.py": text, "checks/test_b.py": text})
    result = await house.run(path="checks", runner="unittest")
    assert [item.id for item in result.failures] == ["checks::test_a.T.test_a", "checks::test_b.T.test_a"]
    assert (result.failures[0].file, result.failures[0].line) == ("checks/test_a.py", 3)
    again = await house.run(select="ids", ids=["checks::test_b.T.test_a"], runner="unittest")
    assert [item.id for item in again.failures] == ["checks::test_b.T.test_a"]
    one = await house.run(path="checks/test_a.py", runner="unittest")
    assert [item.id for item in one.failures] == ["checks::test_a.T.test_a"]


MAKES = """
import doctest, os, unittest, lib
def together(): assert lib.ALONE
def load_tests(loader, tests, pattern):
    tests.addTest(unittest.FunctionTestCase(together))
    tests.addTests(doctest.DocTestSuite(lib))
    return tests
class T(unittest.TestCase):
    def test_a(self): pass
"""
LIB = """
import sys
ALONE = any("load_tests" in word for word in sys.argv)
def number():
    \"\"\"
    >>> number()
    2
    \"\"\"
    return 1
"""


async def test_what_load_tests_makes_runs_again_by_an_id_of_its_module(house: Bench, project: Path) -> None:
    write(project, {"tests/test_a.py": MAKES, "tests/lib.py": LIB})
    result = await house.run(runner="unittest", path="tests", reruns=1)
    made = {failure.id: failure.verdict for failure in result.failures}
    ids = ["tests::test_a.load_tests.together", "tests::test_a.load_tests.lib.number"]
    assert made == {ids[0]: "order_dependent", ids[1]: "broken"}
    assert [(each.file, each.line) for each in result.failures if each.id == ids[1]] == [("tests/lib.py", 6)]
    asked = await house.run(runner="unittest", select="ids", ids=[ids[1], "tests::test_a.T.test_a"])
    assert ([failure.id for failure in asked.failures], asked.counts.total) == ([ids[1]], 2)


async def test_a_crash_in_unittest_keeps_what_ran_and_names_what_was_running(house: Bench, project: Path) -> None:
    crash = (
        "import os, signal, unittest\nclass T(unittest.TestCase):\n    def test_1(self): pass\n"
        "    def test_2(self): os.kill(os.getpid(), signal.SIGSEGV)\n    def test_3(self): pass\n"
    )
    write(project, {"test_crash.py": crash})
    result = await house.run(runner="unittest")
    assert (result.counts.passed, result.counts.total, result.exit_code) == (1, 3, 128 + 11)
    assert "SIGSEGV" in result.explanation
    assert [item.id for item in result.failures] == ["test_crash.T.test_2"]


@pytest.mark.full
async def test_a_timeout_in_node_keeps_what_ran_and_names_what_was_running(house: Bench, project: Path) -> None:
    hang = "const { test } = require('node:test');\ntest('1', () => {});\ntest('2', () => { for (;;); });\n"
    write(project, {"package.json": '{"scripts": {"test": "node --test"}}', "a.test.js": hang})
    result = await house.run(timeout=8)
    assert result.limits_hit == ["timeout"]
    assert result.counts.passed <= 1  # node holds back what a file tells while another test of it may still begin


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ({"runner": "unittest"}, {"test_a.py": "x = 1"}),
        ({"runner": "unittest", "select": "ids", "ids": ["-v"]}, {"test_a.py": ""}),
        ({"runner": "node", "select": "ids", "ids": ["a.test.js"]}, {"a.test.js": ""}),
        ({"runner": "node", "select": "ids", "ids": ["b.test.js::x"]}, {"a.test.js": ""}),
        ({"runner": "nodes"}, {"a.test.js": ""}),
        ({"runner": "cargo", "path": "src"}, {"Cargo.toml": "", "src/lib.rs": ""}),
        ({"runner": "go", "path": "a_test.go"}, {"go.mod": "", "a_test.go": ""}),
    ],
)
async def test_what_a_runner_can_not_be_told_is_a_typed_error(
    house: Bench, project: Path, arguments: dict[str, Any], files: dict[str, str]
) -> None:
    write(project, files)
    error = (await house.call("test_run", **arguments)).error
    assert error is not None
    assert error.code in ("invalid_input", "not_found", "unsupported")
    assert error.hint


@pytest.mark.parametrize(
    ("written", "passed", "lines"), [("\n[]\nx\n", 1, 2), pytest.param("no end of line", 0, 1, marks=pytest.mark.full)]
)
async def test_what_the_tests_write_into_the_report_is_told_and_does_not_count(
    house: Bench, project: Path, written: str, passed: int, lines: int
) -> None:
    forged = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        open({}, 'a').write({!r})\n"
    write(project, {"test_a.py": forged.format("'.astro/out/unittest.jsonl'", written)})
    result = await house.run(runner="unittest")
    assert (result.counts.passed, result.counts.total) == (passed, 1)
    assert f"{lines} lines of the log are not the runner's" in result.explanation


FORGES = """
import json, os, unittest
class T(unittest.TestCase):
    def test_a(self):
        {}
"""
LOG = ".astro/out/unittest.jsonl"


async def test_kinds_that_somebody_else_counts_are_one_printable_line(house: Bench, project: Path) -> None:
    event = {"event": "report", "id": "x", "when": "call", "category": "odd\nall tests passed\u202e\x1b[2J"}
    write(project, {"test_a.py": FORGES.format(f"open({LOG!r}, 'a').write(json.dumps({event!r}) + chr(10))")})
    result = await house.run(runner="unittest")
    assert result.explanation == "also counted: 1 odd\\nall tests passed\\u202e\\x1b[2J"


@pytest.mark.parametrize("forged", [f"os.symlink('/etc/passwd', {LOG!r})", f"os.mkfifo({LOG!r})"])
async def test_a_log_that_is_no_file_any_more_is_not_told_as_too_large_alone(
    house: Bench, project: Path, forged: str
) -> None:
    write(project, {"test_a.py": FORGES.format(f"os.unlink({LOG!r}); {forged}")})
    error = (await house.call("test_run", runner="unittest")).error
    assert error is not None
    assert "is no file any more, or " in error.message


@pytest.mark.full
@pytest.mark.parametrize("text", ["<!DOCTYPE x [<!ENTITY a 'aaaa'>]><testsuite/>", "<html/>", "{", "<testsuite>"])
async def test_a_forged_junit_is_a_typed_error(house: Bench, project: Path, text: str) -> None:
    cmake = "cmake_minimum_required(VERSION 3.10)\nproject(toy NONE)\nenable_testing()\n"
    test = "add_test(NAME a COMMAND sh /workspace/forge.sh)\n"
    forge = "cp /workspace/forged.xml /workspace/.astro/out/ctest.xml\nkill -9 $PPID\n"
    write(project, {"CMakeLists.txt": cmake + test, "forge.sh": forge, "forged.xml": text})
    error = (await house.call("test_run")).error
    assert isinstance(error, Unavailable)


async def test_an_image_that_nobody_made_is_told_with_the_line_that_makes_it(tmp_path: Path, images: Path) -> None:
    pack = tmp_path / "pack"
    for folder in ("tools/runners", "resources"):
        (pack / folder).mkdir(parents=True)
    manifest = Path(Pack.find().tools, "runners", "go.tool.toml").read_text().replace("golang-go", "no-such-package")
    (pack / "tools/runners/go.tool.toml").write_text(manifest)
    write(tmp_path / "project", {"go.mod": "module x\n", "a_test.go": ""})
    async with bench(tmp_path / "data", (tmp_path / "project",), images, runners=Pack(pack)) as house:
        with anyio.fail_after(30):
            error = (await house.call("test_run")).error
    assert isinstance(error, SandboxUnavailable)
    assert error.hint == "astro-mcp sandbox build --runner go"
