"""A public package's own suite, through a client on stdio: lines as coverage.py tells them, and no failing test that
`select=changed` leaves out, whatever is broken."""

from __future__ import annotations

import ast
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from tests.agents.tests.bench import commit

from demo import TARGET
from demo_target import fetch, unpack

ROOT = Path(__file__).parents[3]
PASSED_ON = ("PIP_", "SSL_CERT")
BROKEN = 4
"""Functions that are broken, one after the other."""

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@asynccontextmanager
async def host(home: Path, project: Path) -> AsyncIterator[Client]:
    environment = {"ASTRO_MCP_HOME": str(home), "PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    environment |= {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}
    command = str(Path(sys.executable).parent / "astro-mcp")
    server = StdioServerParameters(command=command, args=["serve", "--in-process"], cwd=project, env=environment)
    async with Client(server) as client:
        yield client


async def run(client: Client, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool("test_run", arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content or {}
    return found


def failed(result: dict[str, Any]) -> int:
    return int(result["counts"]["failed"] + result["counts"]["errors"])


def broken(source: str, choice: random.Random) -> str:
    """The source with the body of one of its functions replaced by an error; the lines of all others stay."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    node = choice.choice([node for node in found if node.body[0].lineno > node.lineno])
    lines = source.splitlines()
    first, last = node.body[0].lineno - 1, node.end_lineno or node.lineno
    lines[first:last] = [" " * node.body[0].col_offset + "raise RuntimeError('broken')", *[""] * (last - first - 1)]
    return "\n".join(lines) + "\n"


async def test_whatever_is_broken_no_test_that_fails_is_left_out(tmp_path: Path) -> None:
    project = unpack(fetch(*TARGET, ROOT / ".tools" / "demo"), tmp_path)
    commit(project)
    choice, smaller = random.Random(7), 0
    async with host(tmp_path / "home", project) as client:
        first = await run(client, coverage=True)
        assert (failed(first), first["counts"]["passed"]) == (0, 230)
        assert first["coverage"]["percent"] > 90
        for path in choice.sample(sorted(project.glob("src/*/*.py")), BROKEN):
            source = path.read_text()
            if "def " not in source:
                continue
            path.write_text(broken(source, choice))
            some = await run(client, select="changed")
            whole = await run(client)
            path.write_text(source)
            assert failed(some) == failed(whole), path
            smaller += some["counts"]["total"] < whole["counts"]["total"]
    assert smaller
