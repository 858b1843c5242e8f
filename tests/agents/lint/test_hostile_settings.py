"""Settings that run code run it in the container alone: it reaches no network and no file of this machine, and all that
it can do is to say something wrong about its own project."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agents.tests.bench import bench, write

from astro_mcp.agents.lint.models import CheckOutput

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

PYTHON = """
import os, socket
def reached():
    try:
        socket.create_connection(("{host}", {port}), timeout=3).close()
        return True
    except OSError:
        return False
seen = f"network={{reached()}} host={{os.path.exists('{secret}')}} engine={{os.path.exists('/var/run/docker.sock')}}"
"""
NODE = """
const fs = require("node:fs");
const {{spawnSync}} = require("node:child_process");
const socket = `require("node:net").connect({port}, "{host}")`;
const dial = `${{socket}}.on("connect", () => process.exit(0)).on("error", () => process.exit(9))`;
const network = spawnSync(process.execPath, ["-e", dial], {{timeout: 5000}}).status === 0;
const [host, engine] = ["{secret}", "/var/run/docker.sock"].map((path) => fs.existsSync(path));
const seen = `network=${{network}} host=${{host}} engine=${{engine}}`;
"""
NOTHING = "network={0} host={0} engine={0}"


@pytest.fixture
def listening() -> Iterator[tuple[str, int]]:
    """A port on every address of this machine, and the one that it has towards others."""
    with socket.create_server(("0.0.0.0", 0)) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        yield probe.getsockname()[0], server.getsockname()[1]


async def check(tmp_path: Path, images: Path, tool: str, files: dict[str, str]) -> CheckOutput:
    write(tmp_path / "project", files)
    before = {path: path.read_bytes() for path in (tmp_path / "project").rglob("*") if path.is_file()}
    async with bench(tmp_path / "data", (tmp_path / "project",), images) as house:
        result = await house.check(tools=[tool])
    assert {path: path.read_bytes() for path in (tmp_path / "project").rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "project", "secret.txt"]
    return result


@pytest.fixture
def code(tmp_path: Path, listening: tuple[str, int]) -> dict[str, str]:
    """What looks around, by language; it sets `seen`."""
    (tmp_path / "secret.txt").write_text("secret")
    with socket.create_connection(listening, timeout=5):
        pass  # it is there, for whoever may
    facts = {"host": listening[0], "port": listening[1], "secret": tmp_path / "secret.txt"}
    return {"python": PYTHON.format(**facts), "node": NODE.format(**facts)}


async def test_a_plugin_of_mypy(tmp_path: Path, images: Path, code: dict[str, str]) -> None:
    forged = json.dumps({"file": "../../etc/x\x1b[2J", "line": 10**30, "column": 1, "severity": "error", "code": "c"})
    tell = f"print({forged!r}[:-1] + ', \"message\": ' + __import__('json').dumps(seen) + '}}', flush=True)\n"
    plugin = f"{code['python']}\n{tell}def plugin(version):\n    from mypy.plugin import Plugin\n    return Plugin\n"
    files = {"a.py": "x: int = 'a'\n", "evil.py": plugin, "mypy.ini": "[mypy]\nplugins = ./evil.py\n"}
    result = await check(tmp_path, images, "mypy", files)
    told = {item.message: item for item in result.items}
    assert NOTHING.format(False) in told, result.text()
    assert told[NOTHING.format(False)].line == 1_000_000_000
    assert any(item.rule == "assignment" and item.file == "a.py" for item in result.items)


async def test_settings_of_eslint(tmp_path: Path, images: Path, code: dict[str, str]) -> None:
    files = {"a.js": "let a\n", "eslint.config.js": f"{code['node']}\nthrow new Error(seen);\n"}
    result = await check(tmp_path, images, "eslint", files)
    assert (result.tools_run, result.items) == ([], [])
    [failed] = result.failed_tools
    assert NOTHING.format("false") in failed.message


async def test_a_plugin_in_a_baseline_of_detect_secrets(tmp_path: Path, images: Path, code: dict[str, str]) -> None:
    plugin = f"""{code["python"]}
from detect_secrets.plugins.base import RegexBasedDetector
import re
class Told(RegexBasedDetector):
    secret_type = seen
    denylist = [re.compile("nothing-at-all")]
"""
    baseline = {
        "version": "1.5.0",
        "plugins_used": [{"name": "Told", "path": "file:///workspace/evil.py"}],
        "filters_used": [],
        "results": {},
        "generated_at": "2025-01-01T00:00:00Z",
    }
    files = {"a.txt": "nothing-at-all\n", "evil.py": plugin, ".secrets.baseline": json.dumps(baseline)}
    result = await check(tmp_path, images, "detect-secrets", files)
    assert {item.rule for item in result.items} == {NOTHING.format(False)}, result.text()
