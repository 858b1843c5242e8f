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
