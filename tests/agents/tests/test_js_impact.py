"""What a change of JavaScript can reach, file by file, by imports alone; and what node takes for tests."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from js_impact import Impact
from js_selected import of_node, reasons

TREE = {
    "package.json": '{"name": "toy", "main": "src/index.js", "dependencies": {"left": "1"}, "jest": {"verbose": true}}',
    "src/index.js": "module.exports = { high: require('./high') };\n",
    "src/high.js": "const low = require('./low');\nmodule.exports = () => low();\n",
    "src/low.js": "module.exports = () => 1;\n",
    "src/apart.ts": "export const apart: number = 1;\n",
    "src/kinds/index.ts": "export * from '../apart.js';\n",
    "test/high.test.js": "import high from '../src/high';\n",
    "test/main.test.js": "const { high } = require('..');\n",
    "test/kinds.test.ts": "import {\n  apart,\n} from '../src/kinds';\nimport left from 'left/sub';\n",
    "test/alone.test.js": "const { test } = require('node:test');\n",
    "data.json": "{}",
}
TESTS = [path for path in TREE if path.startswith("test/")]
HIGH, MAIN, KINDS, ALONE = TESTS


def reached(new: Mapping[str, str], changed: list[str] | None = None, gone: str = "") -> dict[str, str]:
    """Why each test file is selected after `new` was written into the tree, and `gone` taken away."""
    tree = {path: text for path, text in {**TREE, **new}.items() if path != gone}
    impact = Impact(tree, [*new, *filter(None, [gone])] if changed is None else changed, {"there"}.__contains__)
    if why := impact.everything():
        return dict.fromkeys(TESTS, why)
    return {path: why for path in TESTS if (why := impact.why(path))}


@pytest.mark.parametrize(
    ("new", "tests"),
    [
        ({"src/low.js": "x"}, [HIGH, MAIN]),
        ({"src/index.js": "x"}, [MAIN]),
        ({"src/apart.ts": "x"}, [KINDS]),
        ({"src/high/index.js": "takes the place of high.js"}, [HIGH, MAIN]),
        ({"test/alone.test.js": "x"}, [ALONE]),
        ({"test/__snapshots__/alone.test.js.snap": "x"}, [ALONE]),
        ({"src/other.js": "x"}, []),
        ({"src/config.js": "x"}, []),
        ({"data.json": "[]"}, TESTS),
        ({"package.json": "{}"}, TESTS),
        ({"jest.config.js": "module.exports = {}"}, TESTS),
        ({"src/__mocks__/low.js": "x"}, TESTS),
    ],
)
def test_a_change_reaches_what_leads_to_it(new: dict[str, str], tests: list[str]) -> None:
    found = reached(new)
    assert list(found) == tests
    assert all(next(iter(new)) in why or why.startswith("its ") for why in found.values())


def test_a_file_that_is_gone_still_reaches_who_imports_it() -> None:
    assert list(reached({}, gone="src/low.js")) == [HIGH, MAIN]


@pytest.mark.parametrize(
    "text",
    [
        "import('../src/low.js')",
        "const low = await import(\n  '../src/low.js'\n)",
        "import(/* webpackChunkName: 'low' */ '../src/low')",
        "export * from '../src/low.js?raw'",
        "jest.mock('../src/low', () => ({}))",
        "vi.importActual<typeof import('../src/low')>('../src/low')",
        "it isn't a comment's quote that hides '../src/low'",
        "new Worker(new URL('../src/low.js', import.meta.url))",
        "import low from '@/low'",
        "import low from 'src/low'",
        "import { high } from 'toy'",
        "import low from 'toy/src/low'",
        "import low from 'toy/not-told-where'",
        "import unknown from 'unheard-of'",
        "import x from '#inner'",
        "for (const name of ['a']) require(name)",
        "require('./' + name)",
        "require(`./${name}`)",
        "require(/* any */ name)",
        "import.meta.glob('./*.js')",
        "const { execFile } = require('node:child_process')",
        "import { Worker } from 'worker_threads'",
        "new Function('x')",
        "eval('1')",
    ],
)
def test_however_it_is_imported_and_where_it_can_not_be_told_it_is_reached(text: str) -> None:
    assert ALONE in reached({ALONE: text}, changed=["src/low.js"])


@pytest.mark.parametrize(
    "text", ["import t from 'left'", "import a from 'there/deep'", "import fs from 'fs'", "import b from 'node:http'"]
)
def test_packages_reach_nothing_of_the_project(text: str) -> None:
    assert ALONE not in reached({ALONE: text}, changed=["src/low.js"])


@pytest.mark.parametrize("exports", ['{"./sub": "./src/low.js"}', '{"./*": "./src/*.js"}', '"./built/index.js"'])
def test_what_a_package_says_of_its_own_paths_counts_beside_the_paths_themselves(exports: str) -> None:
    new = {"package.json": f'{{"name": "toy", "exports": {exports}}}', "sub.js": "", "low.js": ""}
    new |= {ALONE: "import a from 'toy/sub'; import b from 'toy/low'"}
    assert (ALONE in reached(new, changed=["src/low.js"])) == ("built" not in exports)


def test_a_name_that_settings_turn_into_a_path_reaches_what_it_names_alone() -> None:
    assert ALONE not in reached({ALONE: "import low from '@/low'"}, changed=["src/apart.ts"])


@pytest.mark.parametrize(
    "settings",
    [
        {"vitest.config.ts": "export default { test: { setupFiles: ['test/setup.ts'] } }"},
        {"vitest.config.ts": "import x from './test/setup'; export default x"},
        {"jest.config.cjs": "module.exports = { setupFiles: ['<rootDir>/test/setup.ts'] }"},
        {"jest.config.cjs": "module.exports = require(name)"},
        {"package.json": '{"jest": {"globalSetup": "./test/setup.ts"}}'},
    ],
)
def test_what_settings_load_reaches_every_test(settings: dict[str, str]) -> None:
    new = {**settings, "test/setup.ts": "import '../src/low'"}
    assert list(reached(new, changed=["src/low.js"])) == TESTS
    assert list(reached(new, changed=["test/setup.ts"])) == TESTS


def test_where_nothing_is_known_of_a_test_file_it_is_reached() -> None:
    assert Impact(TREE, ["src/low.js"]).why("test/odd.coffee")


def test_node_takes_for_tests_what_is_named_so_or_lies_in_a_folder_test() -> None:
    tests = ["a.test.js", "b-test.cjs", "c_test.mjs", "test.js", "test-d.js", "test/any.js", "x/test/deep/any.mjs"]
    others = ["a.test.ts", "latest.js", "test/any.json", "tests/any.js", "node_modules/p/test/a.js", "x.js"]
    assert list(of_node([*tests, *others], "")) == sorted(tests)
    assert list(of_node([*tests, *others], "x")) == ["x/test/deep/any.mjs"]
    assert list(of_node([*tests, *others], "x.js")) == ["x.js"]


def test_reasons_are_told_once_with_their_files() -> None:
    told = reasons({"a": "x", "b": "y", "c": "x"})
    assert told == [{"why": "x", "tests": 2, "ids": ["a", "c"]}, {"why": "y", "tests": 1, "ids": ["b"]}]
