"""Tests replace parts of the standard library with their own, and what reports on them goes on all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

PATCHED = (
    *("json.dumps", "json.JSONEncoder", "json.JSONEncoder.encode", "json.JSONEncoder.iterencode"),
    *("os.write", "os.getpid", "os.stat", "os.path.exists", "os.path.join", "time.monotonic", "builtins.open"),
)
DESCRIPTORS = ("os.pread", "os.fstat", "os.ftruncate", "os.lseek", "os.dup2")
"""Those that pytest itself can't do without."""
PYTEST = f"""
import pytest
from unittest import mock

@pytest.fixture(autouse=True)
def broken():
    patches = [mock.patch(name, side_effect=OSError(f"{{name}} is the test's own")) for name in {PATCHED}]
    for patch in patches: patch.start()
    yield
    for patch in patches: patch.stop()

def test_1(): assert 1 == 2
def test_2(): print("said and not shown")
def test_3():
    print("before the failure")
    raise ValueError("boom")
"""
UNITTEST = f"""
import unittest
from unittest import mock

def setUpModule():
    for name in {PATCHED + DESCRIPTORS}:
        mock.patch(name, side_effect=OSError(f"{{name}} is the test's own")).start()

class Test(unittest.TestCase):
    def test_1(self): self.assertEqual(1, 2)
    def test_2(self): print("said and not shown")
    def test_3(self):
        print("before the failure")
        raise ValueError("boom")
"""


@pytest.mark.parametrize(("runner", "tests", "line"), [("pytest", PYTEST, 12), ("unittest", UNITTEST, 10)])
async def test_a_test_may_patch_what_the_reporter_itself_needs(
    house: Bench, project: Path, runner: str, tests: str, line: int
) -> None:
    write(project, {"test_a.py": tests})
    result = await house.run(runner=runner)
    assert (result.counts.passed, sum(result.counts.model_dump().values()), result.exit_code) == (1, 6, 1)
    first, last = sorted(result.failures, key=lambda failure: failure.id)
    assert (first.file, first.line) == ("test_a.py", line)
    assert "boom" in last.message
    assert "before the failure" in last.stdout


CLOCK = """
from _pytest import timing

def test_1():
    timing.time = timing.perf_counter = lambda: -1e12
    assert 1 == 2

def test_2(): pass
"""


async def test_a_test_may_set_the_clock_and_is_counted_all_the_same(house: Bench, project: Path) -> None:
    """As freezegun does, which sets pytest's own clock too."""
    write(project, {"test_a.py": CLOCK})
    result = await house.run(runner="pytest")
    assert (result.counts.failed, result.counts.passed, result.explanation) == (1, 1, "some tests failed")
    assert [failure.id for failure in result.failures] == ["test_a.py::test_1"]
    assert all(test.seconds < 60 for test in result.slowest)
