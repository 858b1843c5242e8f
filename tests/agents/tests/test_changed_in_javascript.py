"""`--full`: `select=changed` for the runners of JavaScript, in their images: what is reached runs, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.git.bench import plain_git
from tests.agents.tests.bench import Bench, commit, write

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

SCRIPTS = {"node": "node --test", "jest": "jest", "vitest": "vitest run"}
HEADS = {
    "node": "import { test } from 'node:test'; import assert from 'node:assert';\n",
    "jest": "const assert = require('node:assert');\n",
    "vitest": "import { test } from 'vitest'; import assert from 'node:assert';\n",
}


def tree(runner: str) -> dict[str, str]:
    """`high` needs `low`; `alone` needs nothing; `apart` a file of its own."""
    old = runner == "jest"
    end = "js" if old else "mjs"

    def code(name: str, needs: str, value: str) -> str:
        got = f"const {needs} = require('./{needs}');\n" if old else f"import {needs} from './{needs}.{end}';\n"
        return (got if needs else "") + (f"module.exports = {value};\n" if old else f"export default {value};\n")

    def test(name: str) -> str:
        path = f"../src/{name}.{end}"
        got = f"const {name} = require('{path}');\n" if old else f"import {name} from '{path}';\n"
        return HEADS[runner] + got + f"test('{name} works', () => assert.ok({name}()));\n"

    return {
        "pkg/package.json": f'{{"scripts": {{"test": "{SCRIPTS[runner]}"}}}}',
        f"pkg/src/low.{end}": code("low", "", "() => 1"),
        f"pkg/src/high.{end}": code("high", "low", "() => low()"),
        f"pkg/src/apart.{end}": code("apart", "", "() => 1"),
        f"pkg/test/high.test.{end}": test("high"),
        f"pkg/test/apart.test.{end}": test("apart"),
        f"pkg/test/alone.test.{end}": HEADS[runner] + "test('alone', () => {});\n",
        "pkg/.astro/json.py": "raise SystemExit('the project has run')\n",
        "README.md": "",
    }


@pytest.mark.parametrize("runner", SCRIPTS)
async def test_changed_runs_the_files_that_a_change_can_reach_and_says_why(
    house: Bench, project: Path, runner: str
) -> None:
    files = tree(runner)
    end = "js" if runner == "jest" else "mjs"
    write(project, files)
    commit(project)
    whole = await house.run(path="pkg")
    assert (whole.runner, whole.counts.passed, whole.counts.total) == (runner, 3, 3)
    nothing = await house.run(path="pkg", select="changed")
    assert (nothing.counts.total, nothing.explanation) == (0, "nothing changed since HEAD: nothing ran")

    low = f"pkg/src/low.{end}"
    write(project, {low: files[low].replace("1", "0"), "README.md": "not the project's"})
    result = await house.run(path="pkg", select="changed")
    assert (result.counts.failed, result.counts.total, result.exit_code) == (1, 1, 1)
    assert [failure.id.split("::")[0] for failure in result.failures] == [f"test/high.test.{end}"]
    [chosen] = result.selected
    assert (chosen.tests, chosen.ids) == (1, [f"test/high.test.{end}"])
    assert chosen.why == f"it imports src/low.{end}, which changed"
    assert chosen.text() in result.text()

    plain_git(project, "commit", "--all", "--quiet", "--message", "low")
    write(project, {f"pkg/src/new.{end}": files[low]})
    none = await house.run(path="pkg", select="changed")
    assert (none.counts.total, none.exit_code) == (0, 0)
    assert none.explanation == "none of the 3 test files is reached by what changed: nothing ran"
    assert none.text().startswith(f"{runner}: ")

    below = await house.run(path=f"pkg/test/apart.test.{end}", select="changed", since="HEAD~1")
    assert (below.counts.total, below.explanation[:28]) == (0, "none of the 1 test files is ")

    write(project, {"pkg/words.txt": "whoever reads it"})
    result = await house.run(path="pkg", select="changed")
    assert (result.counts.failed, result.counts.total) == (1, 3)
    assert [chosen.why for chosen in result.selected] == ["words.txt changed, and which tests read it is not known"]
    again = await house.run(path="pkg", select="failed")
    assert (again.counts.failed, again.counts.total) == (1, 1)


@pytest.mark.parametrize("runner", SCRIPTS)
async def test_the_test_files_are_those_that_the_runner_finds(house: Bench, project: Path, runner: str) -> None:
    """Each changed by itself, so that all are named, beside one that only its folder makes a test."""
    head = HEADS[runner]
    end = "js" if runner == "jest" else "mjs"
    names = [f"a.test.{end}", f"b-test.{end}", f"test-c.{end}", f"test/d.{end}", f"x/e.spec.{end}", f"f.{end}"]
    body = {name: f"{head}test('{name}', () => {{}});\n" for name in names}
    write(project, {"package.json": f'{{"scripts": {{"test": "{SCRIPTS[runner]}"}}}}', "lib.js": "", **body})
    commit(project)
    whole = await house.run()
    assert whole.counts.passed >= 1
    write(project, {name: f"{text}\n" for name, text in body.items()})
    result = await house.run(select="changed")
    assert (result.counts.passed, result.counts.total) == (whole.counts.passed, whole.counts.total)
    assert sum(chosen.tests for chosen in result.selected) == whole.counts.total
