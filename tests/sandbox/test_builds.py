"""A program that is built first: in the same container and time, its words apart from the program's."""

from __future__ import annotations

import subprocess

import pytest
from tests.sandbox.rig import RESOURCES

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.image import base_tag, language_tag
from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.sandbox import Sandbox

MAKE = """
echo building; read line && echo "it read $line"
printf '#!/bin/sh\\ncat; echo "$WORD ran"' >made && chmod +x made
"""


async def built(sandbox: Sandbox, script: str) -> Outcome:
    env = {"WORD": "it"}
    job = Job(("./made",), build=("sh", "-c", script), stdin=b"input\n", env=env, collect="", timeout=20)
    return await sandbox.run(job)


async def test_what_the_build_says_is_on_stderr_and_the_input_is_the_programs(sandbox: Sandbox) -> None:
    outcome = await built(sandbox, MAKE)
    assert (outcome.exit_code, outcome.built) == (0, True)
    assert (outcome.stdout, outcome.stderr) == (b"input\nit ran\n", b"building\n")


@pytest.mark.parametrize(("ending", "code"), [("exit 4", 4), ("kill -9 $$", 137)])
async def test_a_build_that_fails_is_told_apart_and_nothing_runs(sandbox: Sandbox, ending: str, code: int) -> None:
    outcome = await built(sandbox, f"{MAKE}\n{ending}")
    assert (outcome.exit_code, outcome.built, outcome.stdout) == (code, False, b"")


async def test_a_program_that_the_build_did_not_make_failed_by_itself(sandbox: Sandbox) -> None:
    outcome = await built(sandbox, "true")
    assert (outcome.exit_code, outcome.built) == (127, True)


async def test_what_a_build_leaves_running_ends_with_the_run(sandbox: Sandbox) -> None:
    outcome = await built(sandbox, f"{MAKE}\n(sleep 100; echo late) &")
    assert (outcome.exit_code, outcome.built) == (0, True)
    assert b"late" not in outcome.stderr


async def test_a_script_is_not_built(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidInput):
        await sandbox.run(Job(("python3", "x.py"), build=("true",), script=True))


def test_the_recipe_and_the_host_give_an_image_the_same_name() -> None:
    def told(*options: str) -> str:
        program = ["bash", str(RESOURCES / "image/build.sh"), *options, "--tag"]
        return subprocess.run(program, capture_output=True, check=True, text=True).stdout.strip()

    assert told() == base_tag(RESOURCES / "image")
    packages = ["nodejs", "g++", "esbuild", "g++", "gcc-14"]
    assert told("--packages", ",".join(packages)) == language_tag(RESOURCES / "image", packages)
    with pytest.raises(subprocess.CalledProcessError):
        told("--packages", "g++,--option")
