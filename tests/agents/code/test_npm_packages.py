"""`code_run` with packages of npm, from the registry that this machine's npm uses."""

from __future__ import annotations

from typing import Any

import pytest
from tests.agents.code.conftest import House, Open
from tests.agents.code.test_languages import SETTINGS, output, together

from astro_mcp.core.authority import Effect, Label

# A package of one function, which needs another.
WANTED = ["is-odd@^3"]
REQUIRE = "const odd = require('is-odd'); console.log(odd(3), require('is-odd/package.json').version)"
IMPORT = "import odd from 'is-odd'; console.log(odd(3), await Promise.resolve(odd(4)))"
TYPED = "import odd from 'is-odd'; const given: number = 3; console.log(odd(given), require('is-odd')(4))"


@pytest.fixture
async def house(open_house: Open) -> House:
    return await open_house(SETTINGS)


@pytest.mark.full
async def test_packages_are_required_and_imported_in_both_languages_from_one_image(tidy: None, house: House) -> None:
    said: list[str] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        said.append(text)

    result = await house.run(watch=progress, language="javascript", packages=WANTED, code=REQUIRE)
    got = output(result)
    assert (got.exit_code, got.stderr) == (0, "")
    assert got.stdout.startswith("true 3.")
    assert result.labels == {Label.UNTRUSTED}
    assert said[0] == "resolving is-odd@^3"
    assert "installing 2 packages in the sandbox" in said
    told: dict[str, list[str]] = {}
    later = await together(house, {"js": IMPORT, "ts": TYPED}, told, packages=WANTED)
    assert [one.stdout for one in later.values()] == ["true false\n"] * 2
    assert not [text for texts in told.values() for text in texts if "resolving" in text]


@pytest.mark.parametrize("language", ["c", "shell"])
async def test_a_language_without_a_registry_takes_no_packages(house: House, language: str) -> None:
    refused = await house.run(language=language, packages=["x"], code="x")
    assert refused.error is not None
    assert refused.error.code == "unsupported"
    assert "javascript, python, typescript" in refused.error.message


async def test_packages_need_the_grant_to_reach_the_network(house: House) -> None:
    narrow = house.with_grant(effects=frozenset(Effect) - {Effect.NETWORK})
    refused = await house.run(by=narrow, language="ts", packages=WANTED, code=TYPED)
    assert refused.error is not None
    assert refused.error.code == "forbidden"


@pytest.mark.parametrize("wanted", [["lodash@next", "../x"], ["pandas>=2", "npm:x"]])
async def test_what_is_no_package_of_npm_is_told_all_at_once(house: House, wanted: list[str]) -> None:
    refused = await house.run(language="js", packages=wanted, code="1")
    assert refused.error is not None
    assert (refused.error.code, len(refused.error.problems)) == ("invalid_input", 2)


@pytest.mark.full
async def test_compiled_parts_and_large_trees_of_packages_work(tidy: None, house: House) -> None:
    code = """
import { transform } from 'esbuild'
import { z } from 'zod'
import express from 'express'
import chalk from 'chalk'
const { code } = await transform('let x: number = 1', { loader: 'ts' })
console.log(code.trim(), z.number().parse(3), typeof express(), chalk.red('x'))
"""
    arguments: dict[str, Any] = {"packages": ["esbuild", "zod@^3", "express@4", "chalk@5"], "timeout": 60}
    got = output(await house.run(language="typescript", code=code, **arguments))
    assert (got.exit_code, got.stdout) == (0, "let x = 1; 3 function x\n"), got.stderr
