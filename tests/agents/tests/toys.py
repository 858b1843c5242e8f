"""A small project for each runner, with every outcome that it knows, and what the runner itself says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

UNITTEST = """
import os, sys, unittest

class Odd(unittest.TestCase):
    def test_passes(self): pass
    def test_fails(self):
        print("before the failure"); os.write(2, b"past Python")
        self.assertEqual([1, 2], [1, 3], "lists differ")
    def test_error(self): raise ValueError("odd")
    @unittest.skip("not now")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_xfails(self): self.fail()
    @unittest.expectedFailure
    def test_xpasses(self): pass
    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number): self.assertNotEqual(number, 1)
        print(sys.stdout.fileno())

class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("class setup broke")
    def test_never(self): pass
"""
NODE = """
const { test, describe, it, before } = require('node:test'); const assert = require('node:assert');
test('passes', () => {});
test('fails (odd) [x]', () => {
  console.log('before the failure');
  assert.deepStrictEqual([1, 2], [1, 3], 'lists differ');
});
test('skipped', { skip: 'not now' }, () => {});
test('todo', { todo: true }, () => { throw new Error('later'); });
describe('outer', () => {
  it('inner', () => {});
  describe('deep', () => { it('fails (odd) [x]', () => { throw new Error('deep boom'); }); });
});
test('parent', async (t) => { await t.test('part', () => {}); await t.test('bad part', () => assert.ok(false)); });
describe('hooked', () => { before(() => { throw new Error('hook broke'); }); it('never', () => {}); });
test('slow', { timeout: 20 }, () => new Promise((done) => setTimeout(done, 200)));
"""
JEST = """
describe('outer', () => {
  test('inner', () => {});
  test('fails (odd) [x]', () => {
    expect([1, 2]).toEqual([1, 3]);
  });
  test.skip('skipped', () => {});
  test.todo('todo');
});
test('fails', () => { throw new Error('plain'); });
"""
GO = """package toy

import ("fmt"; "testing")

func TestPasses(t *testing.T) { fmt.Println("printed") }
func TestFails(t *testing.T) {
	t.Log("before the failure")
	t.Errorf("lists differ: %d", Add(1, 2))
}
func TestSkipped(t *testing.T) { t.Skip("not now") }
func TestTable(t *testing.T) {
	for _, name := range []string{"a b", "c/d"} {
		t.Run(name, func(t *testing.T) { if name == "c/d" { t.Fatal("part") } })
	}
}
"""
RUST = """/// ```
/// assert_eq!(toy::add(1, 2), 3);
/// ```
pub fn add(a: i32, b: i32) -> i32 { a + b }
#[cfg(test)]
mod tests {
    #[test] fn passes() { println!("printed"); }
    #[test] fn fails() {
        println!("before the failure");
        assert_eq!(super::add(1, 2), 4, "lists differ");
    }
    #[test] #[ignore = "not now"] fn skipped() {}
    #[test] #[should_panic] fn panics() { panic!("as it should"); }
    #[test] fn result() -> Result<(), String> { Err("bad".into()) }
}
"""
CMAKE = """cmake_minimum_required(VERSION 3.10)
project(toy C)
enable_testing()
add_executable(toy toy.c)
foreach(name "passes=0" "fails=1" "part+plus=0" "crashes=crash" "skipped=77")
  string(REPLACE "=" ";" pair ${name})
  list(GET pair 0 test)
  list(GET pair 1 code)
  add_test(NAME ${test} COMMAND toy ${code})
endforeach()
set_tests_properties(skipped PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME disabled COMMAND toy 0)
set_tests_properties(disabled PROPERTIES DISABLED TRUE)
add_test(NAME missing COMMAND no-such-program)
"""
C = """#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {
  printf("before the failure <%s> \\x01\\n", words[1]);
  if (words[1][0] == 'c') abort();
  return atoi(words[1]);
}
"""


@dataclass(frozen=True)
class Toy:
    """`bad` is the id of a test that fails at `place`; `said` is in what is told of it. `own` is the runner's own
    command, without anything of ours, and `counts` finds in what it prints a number, and what it is of."""

    files: Mapping[str, str]
    bad: str
    place: tuple[str, int]
    said: tuple[str, ...]
    own: tuple[str, ...]
    counts: str
    words: Mapping[str, str]
    also: tuple[str, ...] = ()
    """Ids of other tests, which can be asked for too."""
    within: str = r"(?s).*"
    """Where in what it prints the numbers are."""


TOYS = {
    "unittest": Toy(
        files={"setup.cfg": "# python3 -m unittest\n", "tests/__init__.py": "", "tests/test_odd.py": UNITTEST}
        | {"tests/test_none.py": "import nothing_like_it"},
        bad="tests.test_odd.Odd.test_fails",
        place=("tests/test_odd.py", 8),
        said=("lists differ", "before the failure", "past Python"),
        own=("python3", "-m", "unittest", "-v"),
        counts=r"(failures|errors|skipped|expected failures|unexpected successes)=(\d+)|\) \.\.\. (ok)\n",
        words={"failures": "failed", "errors": "errors", "skipped": "skipped", "ok": "passed"}
        | {"expected failures": "xfailed", "unexpected successes": "xpassed"},
        also=("tests.test_odd.Odd.test_passes", "tests.test_none"),
    ),
    "node": Toy(
        files={"package.json": '{"scripts": {"test": "node --test"}}', "test/a.test.js": NODE}
        | {"test/b.test.js": "throw new Error('at load')", "lib.js": "throw new Error('no test')"},
        bad="test/a.test.js::fails (odd) [x]",
        place=("test/a.test.js", 6),
        said=("lists differ", "before the failure"),
        own=("node", "--test", "--test-reporter=tap"),
        counts=r"(?m)^# (tests|pass|fail|cancelled|skipped|todo) (\d+)",
        words={"tests": "total", "pass": "passed", "fail": "failed", "skipped": "skipped", "todo": "todo"}
        | {"cancelled": "cancelled"},
        also=("test/a.test.js::outer > deep > fails (odd) [x]", "test/a.test.js::parent > bad part"),
    ),
    "jest": Toy(
        files={"package.json": '{"scripts": {"test": "jest"}}', "test/a.test.js": JEST}
        | {"test/b.test.js": "throw new Error('at load')"},
        bad="test/a.test.js::outer fails (odd) [x]",
        place=("test/a.test.js", 5),
        said=("toEqual",),
        own=("node", "/node_modules/jest/bin/jest.js", "--ci"),
        counts=r"(\d+) (passed|failed|skipped|todo|total)",
        within=r"(?m)^Tests: .*$",
        words={"passed": "passed", "failed": "failed", "skipped": "skipped", "todo": "todo", "total": "total"},
        also=("test/a.test.js::fails",),
    ),
    "vitest": Toy(
        files={"package.json": '{"scripts": {"test": "vitest run"}}', "test/b.test.js": "throw new Error('at load')"}
        | {"test/a.test.js": "import { describe, expect, test } from 'vitest';" + JEST},
        bad="test/a.test.js::outer fails (odd) [x]",
        place=("test/a.test.js", 5),
        said=("deeply equal",),
        own=("node", "/node_modules/vitest/vitest.mjs", "run"),
        counts=r"(\d+) (passed|failed|skipped|todo)",
        within=r"(?m)^ *Tests .*$",
        words={"passed": "passed", "failed": "failed", "skipped": "skipped", "todo": "todo"},
        also=("test/a.test.js::fails",),
    ),
    "go": Toy(
        files={
            "go.mod": "module example.org/toy\n\ngo 1.21\n",
            "toy.go": "package toy\nfunc Add(a, b int) int { return a + b }\n",
        }
        | {"toy_test.go": GO, "broken/b_test.go": "package broken\nfunc TestX() { undefined() }\n"}
        | {
            "sub/c_test.go": 'package sub\nimport "testing"\n'
            'func TestPanics(t *testing.T) {\n\tvar m map[string]int; m["a"] = 1\n}\n'
        },
        bad="example.org/toy::TestFails",
        place=("toy_test.go", 8),
        said=("lists differ", "before the failure"),
        own=("go", "test", "-v", "-vet=off", "./..."),
        counts=r"(?m)^ *--- (PASS|FAIL|SKIP)(:)",
        words={"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"},
        also=("example.org/toy::TestTable/c/d", "example.org/toy/sub::TestPanics"),
    ),
    "cargo": Toy(
        files={"Cargo.toml": '[package]\nname = "toy"\nversion = "0.1.0"\nedition = "2021"\n', "src/lib.rs": RUST}
        | {"tests/it.rs": "#[test] fn fails() { assert!(toy::add(1, 1) == 3); }\n#[test] fn works() {}\n"},
        bad="src/lib.rs::tests::fails",
        place=("src/lib.rs", 10),
        said=("lists differ", "before the failure"),
        own=("cargo", "test", "--no-fail-fast", "--offline"),
        counts=r"(\d+) (passed|failed|ignored);",
        words={"passed": "passed", "failed": "failed", "ignored": "skipped"},
        also=("tests/it.rs::fails", "Doc-tests toy::src/lib.rs - add (line 1)"),
    ),
    "ctest": Toy(
        files={"CMakeLists.txt": CMAKE, "toy.c": C},
        bad="fails",
        place=("", 0),
        said=("Failed", "before the failure <1>"),
        own=(
            *("ctest", "--build-and-test", "/workspace", "/workspace/.astro/build"),
            *("--build-generator", "Unix Makefiles", "--test-command", "ctest"),
        ),
        counts=r"Test +#\d+: \S+ \.*(?:.*\*\*\*)?( *Passed|Failed|Not Run \(Disabled\)|Not Run|Exception|Skipped)()",
        words={"Passed": "passed", "Failed": "failed", "Exception": "failed", "Skipped": "skipped"}
        | {"Not Run (Disabled)": "skipped", "Not Run": "errors"},
        also=("part+plus",),
    ),
}


async def own_counts(sandbox: Sandbox, toy: Toy, image: str, env: Mapping[str, str]) -> dict[str, int]:
    """What the runner says where nothing of ours is there."""
    files = tuple(SandboxFile(path, text.encode()) for path, text in toy.files.items())
    job = Job(toy.own, files=files, image=image, env={**env, "NO_COLOR": "1"}, timeout=200.0)
    outcome = await sandbox.run(job)
    whole = (outcome.stdout + outcome.stderr).decode("utf-8", "replace")
    said = "\n".join(re.findall(toy.within, whole))
    counts: dict[str, int] = {}
    for found in re.findall(toy.counts, said):
        number = next((int(part) for part in found if part.isdigit()), 1)
        word = toy.words[next(part for part in found if part.strip() and not part.isdigit()).strip()]
        counts[word] = counts.get(word, 0) + number if number != 0 else counts.get(word, 0)
    return {word: number for word, number in counts.items() if number}
