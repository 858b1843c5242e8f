"""What `lint_audit` takes from lock files and from a database of advisories, each at its bound, or past it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.lint.osv import Database, osv
from tests.agents.tests.bench import Bench, bench, write

from astro_mcp.agents.lint.audit import inventory, work
from astro_mcp.agents.lint.audit import osv as asking

SIX = {"requirements.txt": "six==1.16.0\n"}
SECONDS = 30.0


@pytest.fixture
def database() -> Iterator[Database]:
    with osv() as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path, database: Database) -> AsyncIterator[Bench]:
    roots = (tmp_path / "project",)
    roots[0].mkdir()
    async with bench(tmp_path / "data", roots, tmp_path / "images", advisories=database.settings) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, house: Bench) -> Path:
    return tmp_path / "project"


async def refused(house: Bench) -> str:
    error = (await house.call("lint_audit")).error
    assert error is not None
    return error.code


@pytest.mark.parametrize(
    ("module", "bound", "most"),
    [(inventory, "MOST", 3), (inventory, "ENTRIES", 3), (work, "FILES", 1), (work, "BYTES", 20)],
    ids=["packages", "entries", "files", "bytes"],
)
async def test_more_than_is_looked_at_is_an_error_and_nothing_leaves(
    house: Bench, project: Path, database: Database, monkeypatch: pytest.MonkeyPatch, module: Any, bound: str, most: int
) -> None:
    write(project, {"requirements.txt": "a==1\nb==1\nc==1\n", "requirements-dev.txt": "d==1\ne==1\nf==1\n"})
    assert (await house.audit()).checked == 6
    del database.asked[:]
    monkeypatch.setattr(module, bound, most)
    assert await refused(house) == "too_large"
    assert database.asked == []


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pylock.toml", "Cargo.lock"])
async def test_a_lock_file_with_a_key_of_5000_parts_is_not_parsed_and_is_told(
    house: Bench, project: Path, name: str
) -> None:
    write(project, {**SIX, name: "a" + ".a" * 5_000 + " = 1\n"})
    result = await house.audit()
    assert (result.checked, result.unchecked) == (1, [f"{name}: it can't be read: a key has more than 16 parts"])


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, {"results": [{}]}), (404, {"results": [{}]}), (200, {"results": {"six": {}}}), (200, {"results": [{}, {}]})],
    ids=["a failure that reads like an answer", "not found, the same", "a table", "one too many"],
)
async def test_an_answer_that_reads_like_a_clean_one_is_an_error(
    house: Bench, project: Path, database: Database, status: int, body: dict[str, Any]
) -> None:
    write(project, SIX)
    database.answers["/v1/querybatch"] = (status, json.dumps(body).encode())
    assert await refused(house) == "provider_failed"


async def test_a_database_that_goes_on_for_ever_is_left(house: Bench, project: Path, database: Database) -> None:
    write(project, SIX)
    body = {"results": [{"vulns": [], "next_page_token": "more"}]}
    database.answers["/v1/querybatch"] = (200, json.dumps(body).encode())
    with anyio.fail_after(SECONDS):
        assert await refused(house) == "provider_failed"
    assert len(database.asked) == asking.PAGES


async def test_another_advisory_than_was_asked_for_is_not_believed(
    house: Bench, project: Path, database: Database
) -> None:
    write(project, SIX)
    database.put("OSV-1", "PyPI", "six", ["1.16.0"])
    other = {"id": "OSV-2", "summary": "nothing to see", "database_specific": {"severity": "LOW"}}
    database.answers["/v1/vulns/OSV-1"] = (200, json.dumps(other).encode())
    result = await house.audit()
    assert [(item.advisory, item.severity, item.summary) for item in result.items] == [("OSV-1", "unknown", "")]
    assert [line for line in result.unchecked if "OSV-1" in line]


async def test_a_huge_advisory_is_told_by_its_id_alone(
    house: Bench, project: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, SIX)
    database.put("OSV-1", "PyPI", "six", ["1.16.0"], details="z" * 10_000)
    monkeypatch.setattr(asking, "ADVISORY_BYTES", 5_000)
    result = await house.audit()
    assert [(item.advisory, item.summary) for item in result.items] == [("OSV-1", "")]
    assert [line for line in result.unchecked if "OSV-1" in line]


async def test_what_was_published_as_malicious_is_critical(house: Bench, project: Path, database: Database) -> None:
    write(project, SIX)
    database.put("MAL-2026-1", "PyPI", "six", ["1.16.0"], database_specific={"severity": "LOW"})
    assert [(item.advisory, item.severity) for item in (await house.audit()).items] == [("MAL-2026-1", "critical")]


async def test_locks_within_installed_packages_are_not_the_projects(
    house: Bench, project: Path, database: Database
) -> None:
    lock = json.dumps({"packages": {"node_modules/minimist": {"version": "1.2.0"}}})
    write(project, {**SIX, "node_modules/a/package-lock.json": lock, "deep/node_modules/b/requirements.txt": "a==1\n"})
    result = await house.audit()
    assert (result.checked, result.files) == (1, ["requirements.txt"])
