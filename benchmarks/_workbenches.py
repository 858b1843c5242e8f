"""The servers of the workspace benchmark, each as it is shipped and on stdio, and what each is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mcp.client.stdio import StdioServerParameters

from benchmarks._grown import LARGE

OURS: Final = "astro-mcp"
GIT: Final = "mcp-server-git"
CYANHEADS: Final = "git-mcp-server"
FILES: Final = "server-filesystem"
HALF: Final = 0.5
"""Of the best peer's time: every git read."""
TENTH: Final = 0.1
"""A tree, and a search for names."""
Ask = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """What every server that can is asked; `most` is our share of the best peer's time."""

    name: str
    most: float
    asked: dict[str, Ask]
    tree: bool = field(default=False)


def cases(repository: Path, tree: Path, large: str = LARGE) -> list[Case]:
    """`large` is a file of about 65 KB; commits are those of HEAD's history."""
    here = str(repository)
    a, b, c = {"repo_path": here}, {"path": here}, str(repository / large)
    old = "HEAD~200"
    python = {GIT: ("git_show", {**a, "revision": "HEAD~3"}), CYANHEADS: ("git_show", {**b, "object": "HEAD~3"})}
    blame = {"filePath": large, "startLine": 1, "endLine": 100}
    return [
        Case("status", HALF, {OURS: ("git_status", {}), GIT: ("git_status", a), CYANHEADS: ("git_status", b)}),
        _log(10, a, b),
        _log(1000, a, b),
        Case(
            "diff of 200 commits",
            HALF,
            {
                OURS: ("git_diff", {"from": old, "to": "HEAD"}),
                GIT: ("git_diff", {**a, "target": old}),
                CYANHEADS: ("git_diff", {**b, "source": old, "target": "HEAD"}),
            },
        ),
        Case("show", HALF, {OURS: ("git_show", {"ref": "HEAD~3"}), **python}),
        Case(
            "blame of 100 lines",
            HALF,
            {
                OURS: ("git_show", {"path": large, "blame": True, "start_line": 1, "end_line": 100}),
                CYANHEADS: ("git_blame", {**b, **blame}),
            },
        ),
        Case("read 65 KB", 1, {OURS: ("fs_read", {"path": large}), FILES: ("read_text_file", {"path": c})}),
        Case(
            "tree of 42,000 files",
            TENTH,
            {OURS: ("fs_list", {"path": ".", "depth": 50}), FILES: ("directory_tree", {"path": str(tree)})},
            tree=True,
        ),
        Case(
            "search *.py in it",
            TENTH,
            {
                OURS: ("fs_list", {"path": ".", "glob": "*.py"}),
                FILES: ("search_files", {"path": str(tree), "pattern": "**/*.py"}),
            },
            tree=True,
        ),
    ]


def _log(count: int, a: Mapping[str, Any], b: Mapping[str, Any]) -> Case:
    return Case(
        f"log of {count:,}",
        HALF,
        {
            OURS: ("git_log", {"limit": count}),
            GIT: ("git_log", {**a, "max_count": count}),
            CYANHEADS: ("git_log", {**b, "maxCount": count}),
        },
    )


def servers(repository: Path, tree: Path, home: Path) -> dict[str, StdioServerParameters]:
    """How each is started; peers that are not installed are left out. Ours, for the tree, is `astro-mcp, tree`."""
    tools = Path(os.environ.get("ASTRO_BENCH_PEERS", "/nowhere"))
    git, modules = tools / "bin/mcp-server-git", tools.parent / "npm/node_modules/.bin"
    ours = str(Path(sys.executable).parent / "astro-mcp")
    found = {
        OURS: _server(ours, ["--root", str(repository)], repository, ASTRO_MCP_HOME=str(home)),
        f"{OURS}, tree": _server(ours, ["--root", str(tree)], tree, ASTRO_MCP_HOME=str(home)),
    }
    if git.is_file():
        found[GIT] = _server(str(git), ["--repository", str(repository)], repository)
    if (modules / CYANHEADS).exists():
        base = {"MCP_TRANSPORT_TYPE": "stdio", "MCP_LOG_LEVEL": "error", "GIT_BASE_DIR": str(repository.parent)}
        found[CYANHEADS] = _server("node", [str(modules / CYANHEADS)], repository, **base)
        found[FILES] = _server("node", [str(modules / "mcp-server-filesystem"), str(repository), str(tree)], tree)
    return found


def _server(command: str, arguments: list[str], folder: Path, **environment: str) -> StdioServerParameters:
    return StdioServerParameters(command=command, args=arguments, cwd=folder, env={**os.environ, **environment})
