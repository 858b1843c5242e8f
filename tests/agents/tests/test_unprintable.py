"""Failures whose text is no text everywhere: halves of surrogate pairs, emoji without end, frames that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

UNITTEST = """
import unittest
class Test(unittest.TestCase):
    def test_1(self): self.fail("no such file: caf\\udce9.txt")
    def test_2(self):
        print("\\U0001f600" * 20_000)
        self.fail("\\U0001f600" * 20_000)
    def test_3(self): pass
"""
NODE = """
const { test } = require('node:test');
test('half \\ud83d of a pair', () => { throw new Error('half \\ud83d of a pair'); });
test('cut within a pair', () => { throw new Error('x' + '\\u{1f600}'.repeat(9_000)); });
test('last', () => {});
"""
FRAMES = """
const { test } = require('node:test');
for (const name of ['a%2Fb', '%zz', '%ff']) test(name, () => {
  throw Object.assign(new Error('boom'), { stack: `Error: boom\\n    at f (file:///workspace/${name}.js:3:2)` });
});
test('last', () => {});
"""


async def test_a_failure_with_half_a_surrogate_pair_or_many_emoji_is_told_by_unittest(
    house: Bench, project: Path
) -> None:
    write(project, {"test_a.py": UNITTEST})
    result = await house.run(runner="unittest")
    assert (result.counts.passed, result.counts.failed, result.counts.total) == (1, 2, 3)
    first, last = result.failures
    assert first.message == "AssertionError: no such file: caf?.txt"
    assert last.stdout.count("\U0001f600") + last.message.count("\U0001f600") > 3_000
    assert "not the runner's" not in result.explanation


@pytest.mark.full
async def test_a_failure_with_half_a_surrogate_pair_or_many_emoji_is_told_by_node(house: Bench, project: Path) -> None:
    write(project, {"package.json": '{"scripts": {"test": "node --test"}}', "a.test.js": NODE})
    result = await house.run(runner="node")
    assert (result.counts.passed, result.counts.failed, result.counts.total) == (1, 2, 3)
    first, last = result.failures
    assert (first.id, first.message) == ("a.test.js::half \ufffd of a pair", "half \ufffd of a pair")
    assert last.message.count("\U0001f600") > 900
    assert "not the runner's" not in result.explanation
    log, _ = await house.artifacts.get(house.session.scope, result.artifact.rpartition("/")[2])
    assert b"\\ud83d" not in log


@pytest.mark.full
async def test_a_frame_whose_address_is_no_path_is_told_by_node_as_it_stands(house: Bench, project: Path) -> None:
    write(project, {"package.json": '{"scripts": {"test": "node --test"}}', "a.test.js": FRAMES})
    result = await house.run(runner="node")
    assert (result.counts.passed, result.counts.failed, result.counts.total) == (1, 3, 4)
    assert [(failure.file, failure.line) for failure in result.failures] == [
        ("a%2Fb.js", 3),
        ("%zz.js", 3),
        ("%ff.js", 3),
    ]


async def test_a_finished_run_that_prints_more_than_is_kept_of_it_hit_no_limit(house: Bench, project: Path) -> None:
    write(project, {"pytest.ini": "[pytest]\naddopts = -s\n", "test_a.py": "def test_a(): print('x' * 4_000_000)\n"})
    result = await house.run()
    assert (result.counts.passed, result.exit_code, result.limits_hit) == (1, 0, [])


FROZEN = """import pytest, _pytest.timing as timing

@pytest.fixture(autouse=True)
def frozen():
    yield
    timing.perf_counter = lambda: {now}
    assert 0

def test_a(): pass
"""


@pytest.mark.parametrize("now", ["-5.0", "1e12"])
async def test_a_test_that_leaves_the_clock_frozen_is_counted_with_its_failure(
    now: str, house: Bench, project: Path
) -> None:
    write(project, {"test_a.py": FROZEN.replace("{now}", now)})
    result = await house.run()
    assert (result.counts.passed, result.counts.errors, result.explanation) == (1, 1, "some tests failed")
