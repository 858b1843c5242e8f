"""The servers of the workspace benchmark, each as it is shipped and on stdio, and what each is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mcp.client.stdio import StdioServerParameters

from benchmarks._grown import LARGE

OURS: Final = "astro-mcp"
GIT: Final = "mcp-server-git"
CYANHEADS: Final = "git-mcp-server"
FILES: Final = "server-filesystem"
TENTH: Final = 0.1
"""A tree, and a search for names."""
Ask = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """What every server that can is asked in a round, by the round's number; `most` is our share of the best peer's
    time, and `before` is done before the first of them is asked, and not measured. `told`: the share of what was
    asked for in a round that an answer's text has, 0 to 1. `alone` is the same question to libgit2 (see `_libgit2`)."""

    name: str
    most: float
    asked: Callable[[int], Mapping[str, Ask]]
    tree: bool = field(default=False)
    before: Callable[[int], None] = field(default=lambda number: None)
    told: Callable[[int, str], float] = field(default=lambda number, text: 1)
    alone: Callable[[int], Sequence[str]] = field(default=lambda number: ())


def cases(repository: Path, tree: Path, large: str = LARGE) -> list[Case]:
    """Of files; `large` is one of about 65 KB."""
    text = {OURS: ("fs_read", {"path": large}), FILES: ("read_text_file", {"path": str(repository / large)})}
    whole: dict[str, Ask] = {
        OURS: ("fs_list", {"path": ".", "depth": 50}),
        FILES: ("directory_tree", {"path": str(tree)}),
    }
    names: dict[str, Ask] = {
        OURS: ("fs_list", {"path": ".", "glob": "*.py"}),
        FILES: ("search_files", {"path": str(tree), "pattern": "**/*.py"}),
    }
    return [
        Case("read 65 KB", 1, _always(text)),
        Case("tree of 42,000 files", TENTH, _always(whole), tree=True),
        Case("search *.py in it", TENTH, _always(names), tree=True),
    ]


def _always(asked: Mapping[str, Ask]) -> Callable[[int], Mapping[str, Ask]]:
    return lambda number: asked


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
