"""The template dependency-audit on a project with locks of Python and npm, against advisories on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agents.lint.osv import Database, osv

from astro_mcp.testing import workbench

LOCKS = {
    "requirements.txt": "jinja2==3.1.2\nsix==1.16.0\nours\n",
    "package-lock.json": json.dumps({"packages": {"node_modules/minimist": {"version": "1.2.0"}}}),
}


def advise(database: Database) -> None:
    """Two advisories for what `LOCKS` pin."""
    database.put("GHSA-1", "PyPI", "jinja2", ["3.1.2"], fixed=["3.1.3"], summary="a | b", aliases=["CVE-1"])
    worst = {"severity": "CRITICAL"}
    database.put("GHSA-2", "npm", "minimist", ["1.2.0"], summary="prototypes", database_specific=worst)


def environment(database: Database) -> dict[str, str]:
    return {"ASTRO_MCP_ADVISORIES__BASE_URL": database.url, "ASTRO_MCP_ADVISORIES__ALLOW_PRIVATE": "true"}


@pytest.fixture
def database() -> Iterator[Database]:
    with osv() as made:
        advise(made)
        yield made


async def run(tmp_path: Path, database: Database, files: dict[str, str], *allow: str) -> Any:
    project = tmp_path / "project"
    project.mkdir()
    for name, text in files.items():
        (project / name).write_text(text)
    async with workbench(tmp_path / "data", roots=[project], environment=environment(database)) as bench:
        return await bench.call("workflow_run", template="dependency-audit", allow=["read", *allow], wait_seconds=60)


async def test_the_report_has_what_was_found_worst_first_and_what_was_not_checked(
    tmp_path: Path, database: Database
) -> None:
    ended = (await run(tmp_path, database, LOCKS, "network", "write", "destroy")).unwrap()
    assert ended.status == "succeeded", ended
    outputs = ended.outputs if isinstance(ended.outputs, dict) else json.loads(ended.outputs)
    assert (outputs["checked"], outputs["advisories"], outputs["report"]) == (3, 2, "DEPENDENCIES.md")
    report = (tmp_path / "project" / "DEPENDENCIES.md").read_text()
    for line in ("| packages checked | 3 |", "| advisories | 2 |", "| critical or high | 1 |", "| without a fix | 1 |"):
        assert line in report
    assert report.index("GHSA-2") < report.index("GHSA-1")
    assert "| unknown | jinja2 | 3.1.2 | 3.1.3 | GHSA-1 | a \\| b |" in report
    assert "- requirements.txt: ours is not pinned to one version" in report


async def test_without_packages_there_is_no_report(tmp_path: Path, database: Database) -> None:
    ended = (await run(tmp_path, database, {"yarn.lock": ""}, "network", "write", "destroy")).unwrap()
    assert ended.status == "failed"
    assert not (tmp_path / "project" / "DEPENDENCIES.md").exists()


async def test_without_the_network_allowed_nothing_begins(tmp_path: Path, database: Database) -> None:
    result = await run(tmp_path, database, LOCKS, "write", "destroy")
    assert "network" in result.error.text()
    assert database.asked == []
