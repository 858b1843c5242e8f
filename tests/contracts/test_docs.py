"""What the documentation shows can be done as it is shown: commands exist, configurations load, plans are valid."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from astro_mcp.cli.parser import parser
from astro_mcp.config import load
from astro_mcp.shim.hello import hello
from astro_mcp.testing import workbench

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```([\w+-]+)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`((?:[\w./-]*/)?astro-mcp(?: [^`\n]+)?)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it stands."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[2] == language:
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, match[3]))
    return found


def our_words(line: str) -> list[str] | None:
    """The arguments of a command line that starts astro-mcp, wherever it stands in it; None where it does not."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    at = next((at for at, word in enumerate(words) if Path(word).name == "astro-mcp"), None)
    if at is None:
        return None
    ours = words[at + 1 :]
    end = next((at for at, word in enumerate(ours) if word in ("|", "||", "&&", ";", ">", "2>&1")), len(ours))
    return ours[:end]


def understood(words: list[str]) -> None:
    """Raises where the program would not take these arguments: by the shim's reading, or the command line's."""
    if words[:2] == ["serve", "--in-process"] or not words or words[0].startswith("--"):
        if words not in (["--help"], ["--version"]):
            hello([word for word in words if word not in ("serve", "--in-process")], {})
    else:
        parser().parse_args(words)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in a `sh` block."""
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words = our_words(line.removeprefix("$ "))
            if words is not None and not line.startswith("npx "):  # tests/faces/test_inspector.py runs that line
                yield f"{block} {line.strip()}", words


COMMANDS = list(commands())
HOSTS = blocks("json")
DOCUMENTS = [block for block in blocks("yaml") if "\nsteps:" in block.text]


def test_the_pages_show_something_to_try() -> None:
    assert COMMANDS
    assert HOSTS
    assert DOCUMENTS


@pytest.mark.parametrize("words", [words for _, words in COMMANDS], ids=[where for where, _ in COMMANDS])
def test_a_command_that_is_shown_exists_with_its_options(words: list[str]) -> None:
    understood(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_within_a_sentence_exists(page: Path) -> None:
    for match in SPAN.finditer(page.read_text(encoding="utf-8")):
        words = our_words(match[1].replace("|", " ").split("  ")[0]) or []
        if words and not {"…", "..."} & set(words):
            known = parser().format_help()
            assert words[0].startswith("--") or f"\n    {words[0]}" in known, match[0]


@pytest.mark.parametrize("block", HOSTS, ids=str)
def test_a_hosts_configuration_is_json_and_starts_the_server_with_options_that_it_has(block: Block) -> None:
    for server in servers(json.loads(block.text)):
        assert Path(server["command"]).name == "astro-mcp"
        assert Path(server["command"]).is_absolute() or "/" not in server["command"]
        understood(server.get("args", []))


def servers(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever in a host's file has a command."""
    if isinstance(value, dict):
        if isinstance(value.get("command"), str):
            yield value
        for child in value.values():
            yield from servers(child)


def test_a_configuration_that_is_shown_is_one(tmp_path: Path) -> None:
    for block in blocks("toml"):
        if "mcp_servers" in block.text:  # a host's file
            for server in servers(tomllib.loads(block.text)):
                understood(server.get("args", []))
        else:
            (tmp_path / "config.toml").write_text(block.text)
            load(tmp_path, {})


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_block_of_yaml_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text) is not None


def repository(folder: Path) -> Path:
    """One of an empty commit: what a document needs that asks for a worktree."""
    folder.mkdir()
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for command in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "Begin")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_workflows_that_are_shown_are_valid_against_the_tools_that_there_are(tmp_path: Path) -> None:
    async def problems() -> dict[str, Any]:
        async with workbench(tmp_path / "data", roots=[repository(tmp_path / "project")]) as bench:
            found = {}
            for block in DOCUMENTS:
                checked: Any = await bench.value("workflow_check", spec=block.text)
                found[str(block)] = [f"{problem.path}: {problem.reason}" for problem in checked.problems]
            return found

    assert anyio.run(problems) == {str(block): [] for block in DOCUMENTS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_that_a_page_names_exist(page: Path) -> None:
    for name in re.findall(r"(?<![\w/.])scripts/([a-z][a-z.-]*[a-z])", page.read_text(encoding="utf-8")):
        assert (ROOT / "scripts" / name).is_file(), name


README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readmes_tool_table_names_every_tool_and_no_other(tmp_path: Path) -> None:
    async def agents() -> dict[str, str]:
        hosts = {"ASTRO_MCP_GIT__REMOTE__HOSTS": '["git.example.org"]'}
        async with workbench(tmp_path / "data", environment=hosts) as bench:
            return {name: tool.agent for name, tool in bench.app.registry.tools.items()}

    section = README.partition("\n## Tools\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    told = [(tool, agent) for agent, tools, *_ in rows[2:] for tool in re.findall(r"`(\w+)`", tools)]
    assert len(told) == len(dict(told)), "a tool stands in one row"
    assert dict(told) == anyio.run(agents)


def test_the_readmes_first_screen_says_what_it_is_and_has_the_two_commands() -> None:
    screen = README.splitlines()[:12]
    fences = [number for number, line in enumerate(screen) if line.startswith("```")]
    assert len(fences) == 2
    commands = [line.split()[0] for line in screen[fences[0] + 1 : fences[1]]]
    assert commands == ["scripts/demo", "scripts/test"]
    assert all(os.access(ROOT / command, os.X_OK) for command in commands)
    told = [line for line in screen[1 : fences[0]] if line]
    assert len(told) == 4, "what it is, in four lines, comes before how it is started"
    assert all(60 < len(line) < 160 for line in told)


def test_the_readmes_recorded_run_has_every_step_of_the_template_and_stands_on_the_first_screen() -> None:
    [run] = [block for block in blocks("text") if block.page.name == "README.md"]
    assert run.line + run.text.count("\n") < 45
    document = yaml.safe_load((ROOT / "resources" / "workflows" / "review-repository.yaml").read_text())
    recorded = re.findall(r"^  ✓ +\d+\.\d\d s  (\w+) +(\w+)$", run.text, re.MULTILINE)
    assert sorted(recorded) == sorted((step["id"], step["tool"]) for step in document["steps"])
    assert re.search(r"^  ✓ pytest's own count in the same image: \d+ passed$", run.text, re.MULTILINE)
    assert run.text.count("kill -9 ") >= 2


def test_the_readme_has_its_sections_and_says_how_each_of_five_hosts_is_connected() -> None:
    sections = re.split(r"^## (.+)\n", README, flags=re.MULTILINE)
    found = dict(zip(sections[1::2], sections[2::2], strict=True))
    needed = ["Connect a host", "Tools", "What leaves the machine", "Out of scope"]
    assert [name for name in found if name in needed] == needed
    assert all(len(found[name].split()) > 20 for name in needed)
    hosts = re.split(r"^\*\*([^*]+)\*\*", found["Connect a host"], flags=re.MULTILINE)
    assert hosts[1::2] == ["Claude Desktop", "Claude Code", "VS Code", "Cursor", "Inspector"]
    assert all(".venv/bin/astro-mcp" in told for told in hosts[2::2])


def test_ci_runs_the_check_and_then_the_test_command_of_the_readme() -> None:
    shown = next(block.text for block in blocks("sh") if block.page.name == "README.md")
    [test] = [line.partition("#")[0].strip() for line in shown.splitlines() if line.startswith("scripts/test")]
    lines = [
        line.partition("  #")[0]
        for line in (ROOT / ".ci" / "run").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "set -euo pipefail"
    assert "export ASTRO_TEST_ALL=1" in lines, "what a machine at home leaves out fails here"
    commands = [line for line in lines if line.startswith("scripts/")]
    assert commands == ["scripts/check", test]
