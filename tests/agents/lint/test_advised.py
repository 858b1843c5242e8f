"""pip-audit among the linters: it finds what it finds with a network, and has none."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.agents.lint.osv import Database, osv
from tests.agents.lint.test_since_ref import commit
from tests.agents.tests.bench import Bench, bench, write

from astro_mcp.agents.lint.models import CheckOutput
from astro_mcp.agents.lint.sources import OURS
from astro_mcp.core.call import NoGate
from astro_mcp.core.flow import Leaving, Sort
from astro_mcp.packs import Linter, Pack
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile, beside
from astro_mcp.sandbox.sandbox import Sandbox

pytestmark = pytest.mark.timeout(300)

PINNED = (
    "# ours\nJinja2==3.1.2 \\\n    --hash=sha256:00\nsix==1.16.0 --hash=sha256:00\nDjango == 4.0 --hash=sha256:00\n"
)
LOCK = """lock-version = "1.0"
created-by = "us"
[[packages]]
name = "six"
version = "1.16.0"
wheels = [{url = "https://example.org/six-1.16.0-py3-none-any.whl", hashes = {sha256 = "00"}}]
[[packages]]
name = "jinja2"
version = "3.1.2"
wheels = [{url = "https://example.org/jinja2-3.1.2-py3-none-any.whl", hashes = {sha256 = "00"}}]
"""
OWN = """
import http.server, json, subprocess, sys, threading

class Database(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        found = [body for body in BODIES if any(
            one["package"] == asked["package"] and asked["version"] in one["versions"] for one in body["affected"])]
        data = json.dumps({"vulns": found} if found else {}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Database)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1/query"
subprocess.run([
    "pip-audit", "--requirement=requirements.txt", "--disable-pip", "--vulnerability-service=osv", f"--osv-url={url}",
    "--format=columns", "--aliases=on", "--desc=off", "--progress-spinner=off", "--cache-dir=/tmp/cache",
])
"""


def fill(database: Database) -> None:
    database.put(
        "GHSA-h5c8-rqwp-cp95",
        "PyPI",
        "jinja2",
        ["3.1.2"],
        fixed=["3.1.3"],
        summary="Jinja vulnerable to HTML attribute injection",
        aliases=["CVE-2024-22195", "PYSEC-2024-1"],
    )
    database.put("GHSA-q2x7-8rv6-6q7h", "PyPI", "jinja2", ["3.1.2"], details="no summary,\nand no fix")
    database.put("PYSEC-2022-1", "PyPI", "django", ["4.0"], fixed=["3.2.13", "4.0.1"], aliases=["CVE-2022-1"])
    several = database.advisories["PYSEC-2022-1"]["affected"]
    several.append({**several[0], "ranges": [{"type": "GIT", "events": [{"fixed": "abc"}]}, *several[0]["ranges"]]})
    several.append(
        {**several[0], "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "4"}, {"fixed": "4.0.4"}]}]}
    )
    database.put("PYSEC-2022-2", "PyPI", "django", ["4.0"], withdrawn="2023-01-01T00:00:00Z")
    database.put("PYSEC-2022-3", "PyPI", "django", ["4.0"], schema_version="1.6.0", fixed=["4.0.2"])


@pytest.fixture
def database() -> Iterator[Database]:
    with osv() as made:
        fill(made)
        yield made


@pytest.fixture
async def house(tmp_path: Path, images: Path, sandbox: Sandbox, database: Database) -> AsyncIterator[Bench]:
    (tmp_path / "project").mkdir()
    roots = (tmp_path / "project",)
    async with bench(tmp_path / "data", roots, images, advisories=database.settings, sandbox=sandbox) as made:
        yield made


def places(output: CheckOutput) -> list[tuple[str, int, str]]:
    return [(item.file, item.line, item.rule) for item in output.items]


async def test_it_finds_what_pip_audit_finds_where_the_same_database_answers_it(
    house: Bench, project: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = list(database.advisories.values())
    write(project, {"requirements.txt": PINNED, "own.py": f"BODIES = {bodies!r}\n{OWN}"})
    run, jobs = house.sandbox.run, []

    async def noted(job: Job) -> Outcome:
        jobs.append(job)
        return await run(job)

    monkeypatch.setattr(house.sandbox, "run", noted)
    ours = await house.check(tools=["pip-audit"])
    own = await run(replace(jobs[-1], argv=("python3", "own.py"), collect=""))
    assert ours.tools_run == ["pip-audit"], ours.text()
    rows = [line.split() for line in own.stdout.decode().splitlines()[2:]]
    expected = Counter((name.lower(), version, rule, fixed) for name, version, rule, *_, fixed in named(rows))
    assert sum(expected.values()) == 4, own.stdout
    assert Counter(parts(item.rule, item.message) for item in ours.items) == expected
    assert {(item.rule, item.line) for item in ours.items} == {
        ("PYSEC-2024-1", 2),
        ("GHSA-q2x7-8rv6-6q7h", 2),
        ("PYSEC-2022-1", 5),
        ("PYSEC-2022-3", 5),
    }
    assert "HTML attribute injection" in ours.text()
    assert "(CVE-2024-22195, GHSA-h5c8-rqwp-cp95)" in ours.text()


def named(rows: list[list[str]]) -> Iterator[list[str]]:
    """Of each row package, version, id and fixed versions; where there are none, the column is empty."""
    for name, version, rule, *rest in rows:
        fixed = rest[0] if rest and re.match(r"\d", rest[0]) else ""
        yield [name, version, rule, fixed]


def parts(rule: str, message: str) -> tuple[str, str, str, str]:
    found = re.fullmatch(r"(\S+) (\S+?)(?: \(.*\))?, fixed in (.+?): .*", message)
    assert found, message
    fixed = "" if found[3] == "nothing yet" else found[3].replace(", ", ",")
    return found[1].lower(), found[2], rule, fixed


async def test_a_lock_of_the_standard_is_read_and_each_file_has_findings_of_its_own(
    house: Bench, project: Path
) -> None:
    write(
        project, {"pylock.toml": LOCK, "requirements/dev.txt": "jinja2==3.1.2\n", "a/requirements.txt": "six==1.16.0\n"}
    )
    found = await house.check(tools=["pip-audit"])
    expected = [("pylock.toml", 8), ("pylock.toml", 8), ("requirements/dev.txt", 1), ("requirements/dev.txt", 1)]
    assert [(file, line) for file, line, _ in places(found)] == expected
    assert {item.severity for item in found.items} == {"error"}


async def test_what_it_could_not_audit_is_told_and_not_taken_for_clean(
    house: Bench, project: Path, database: Database
) -> None:
    database.answers["/v1/vulns/GHSA-q2x7-8rv6-6q7h"] = (500, b"")
    files = {
        "requirements.txt": "jinja2==3.1.2\n",
        "requirements-dev.txt": "flask\n",
        "requirements-more.txt": "six==1.16.0\n-r others.txt\n--requirement=ok-requirements.txt\n",
        "requirements-odd.txt": "six==1.16.0\nsix==1.15.0\n",
        "others.txt": "six==1.15.0\n",
        "pylock.toml": "lock-version = 7\n",
        "ok-requirements.txt": "six==1.16.0\n",
    }
    write(project, files)
    found = await house.check(tools=["pip-audit"])
    assert {(item.file, item.rule, item.severity) for item in found.items} == {
        (file, "not-audited", "warning")
        for file in (
            "requirements.txt",
            "requirements-dev.txt",
            "requirements-more.txt",
            "requirements-odd.txt",
            "pylock.toml",
        )
    }
    said = {item.file: item.message for item in found.items}
    assert said["requirements.txt"].endswith("nothing is known of jinja2 3.1.2")
    assert "flask is not pinned" in said["requirements-dev.txt"]
    assert said["requirements-more.txt"] == "others.txt is not among the files that were audited"
    assert "package six has duplicate requirements" in said["requirements-odd.txt"]


async def test_what_is_new_since_a_commit_is_told_alone(house: Bench, project: Path) -> None:
    commit(project, {"requirements.txt": "jinja2==3.1.2\n"})
    (project / "requirements.txt").write_text("# more\ndjango==4.0\njinja2==3.1.2\n")
    found = await house.check(tools=["pip-audit"], since_ref="HEAD")
    assert {(line, rule) for _, line, rule in places(found)} == {(2, "PYSEC-2022-1"), (2, "PYSEC-2022-3")}
    assert found.known == 2


async def test_a_project_puts_nothing_of_its_own_in_the_place_of_pip_audit(house: Bench, project: Path) -> None:
    evil = "import os\nos.write(1, b'[]')\nos._exit(0)\n"
    names = ("pip_audit/__init__.py", "pip_audit/__main__.py", "requests.py", "sitecustomize.py", ".astro/json.py")
    write(project, {"requirements.txt": "jinja2==3.1.2\n", **dict.fromkeys(names, evil)})
    found = await house.check(tools=["pip-audit"])
    assert {rule for _, _, rule in places(found)} == {"PYSEC-2024-1", "GHSA-q2x7-8rv6-6q7h"}


async def test_an_advisory_of_today_is_found_in_files_of_yesterday(
    house: Bench, project: Path, database: Database
) -> None:
    write(project, {"requirements.txt": "six==1.16.0\n"})
    assert places(await house.check(tools=["pip-audit"])) == []
    database.put("PYSEC-2026-1", "PyPI", "six", ["1.16.0"])
    assert places(await house.check(tools=["pip-audit"])) == [("requirements.txt", 1, "PYSEC-2026-1")]


async def test_names_and_versions_leave_by_the_policy_of_flow_and_nothing_else_does(
    house: Bench, project: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Leaving] = []
    verdict = NoGate.let_out

    def watched(self: NoGate, leaving: Leaving) -> Any:
        seen.append(leaving)
        return verdict(self, leaving)

    monkeypatch.setattr(NoGate, "let_out", watched)
    write(project, {"requirements.txt": "six==1.16.0\nours @ file:///srv/secret\n", ".env": "TOKEN=x"})
    await house.check(tools=["pip-audit"])
    assert [(each.sort, each.texts) for each in seen if each.to == "the database of advisories"] == [
        (Sort.LISTED, ("six 1.16.0",))
    ]
    queries = [{"package": {"ecosystem": "PyPI", "name": "six"}, "version": "1.16.0"}]
    assert [body for _, body in database.asked] == [{"queries": queries}]


async def test_without_a_database_it_is_missing_with_the_reason(tmp_path: Path, images: Path, sandbox: Sandbox) -> None:
    write(tmp_path / "project", {"requirements.txt": "six==1.16.0\n", "a.py": "import os\n"})
    async with bench(tmp_path / "data", (tmp_path / "project",), images, sandbox=sandbox) as house:
        found = await house.check(tools=["pip-audit", "ruff"])
    assert [missing.tool for missing in found.missing_tools] == ["pip-audit"]
    assert found.missing_tools[0].reason == "no database of advisories is set"
    assert found.tools_run == ["ruff"]
    assert [item.rule for item in found.items] == ["F401"]


def test_a_projects_file_does_not_pass_for_what_the_linter_is_given() -> None:
    given = [SandboxFile(".astro/advisories.json", b"{}"), SandboxFile(".astro/advised.py", b""), SandboxFile("a", b"")]
    files, odd = beside(given, OURS)
    assert [file.path for file in files] == ["a"]
    assert len(odd) == 2


def test_a_manifest_names_its_script_in_argv_or_nowhere() -> None:
    [linter] = [one for one in Pack.find().manifests("linter") if one.advised]
    body = json.loads(linter.model_dump_json(by_alias=True))
    for change in ({"advised": ""}, {"argv": ["pip-audit", "{paths}"]}, {"imports": "pypi"}, {"reads_only": True}):
        with pytest.raises(ValueError, match="advised"):
            Linter.model_validate(body | change)
