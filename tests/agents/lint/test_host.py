"""The lint tools as a host has them: through the shim, a daemon, and resources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agents.lint.osv import osv
from tests.agents.lint.test_sarif import SCHEMA
from tests.daemon.home import Home, Host, home, until

BEFORE = b"import os\r\nimport re\r\n\r\nx = re\r\n"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Home]:
    with osv() as database, home(tmp_path) as made:
        database.put("GHSA-1", "PyPI", "jinja2", ["3.1.2"], fixed=["3.1.3"])
        made.folder.mkdir(mode=0o700)
        settings = f'[advisories]\nbase_url = "{database.url}"\nallow_private = true\n'
        (made.folder / "config.toml").write_text(settings)
        (made.project / "a.py").write_bytes(BEFORE)
        (made.project / "requirements.txt").write_text("jinja2==3.1.2\n")
        made.host().begin()
        yield made


def call(host: Host, tool: str, **arguments: Any) -> Any:
    result = host.call(tool, arguments)
    assert not result["isError"], result["content"]
    return result["structuredContent"]


@pytest.mark.full
def test_a_host_reads_the_sarif_applies_a_fix_undoes_it_and_audits(at: Home) -> None:
    [host] = at.hosts
    checked = call(host, "lint_check")
    [contents] = host.ask("resources/read", {"uri": checked["sarif_uri"]})["result"]["contents"]
    assert contents["mimeType"] == "application/sarif+json"
    log = json.loads(contents["text"])
    SCHEMA.validate(log)
    assert [result["ruleId"] for run in log["runs"] for result in run["results"]] == ["F401"]
    assert call(host, "astro_read", uri=checked["sarif_uri"], find="F401")["hits"] > 0

    dry = call(host, "lint_fix")
    assert "-import os" in dry["diff"]
    assert (at.project / "a.py").read_bytes() == BEFORE
    done = call(host, "lint_fix", apply=True, if_match=dry["if_match"])
    assert (at.project / "a.py").read_bytes() == BEFORE.removeprefix(b"import os\r\n")
    call(host, "fs_undo", undo_id=done["undo_id"])
    assert (at.project / "a.py").read_bytes() == BEFORE

    audited = call(host, "lint_audit")
    assert [(item["package"], item["fixed_in"]) for item in audited["items"]] == [("jinja2", "3.1.3")]
    for tool, calls in (("lint_check", 1), ("lint_fix", 2), ("lint_audit", 1)):
        until(lambda tool=tool, calls=calls: len({row["call_id"] for row in at.calls(tool)}) == calls)
    readonly = at.host("--read-only")
    readonly.begin()
    refused = readonly.call("lint_fix", {"apply": True})
    assert refused["structuredContent"]["error"]["code"] == "forbidden"
    assert call(readonly, "lint_audit")["total"] == 1
    assert (at.project / "a.py").read_bytes() == BEFORE
