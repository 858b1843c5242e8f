"""A vendor's package is imported in its own room alone, in every file that there is: a new room needs no new rule."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.sources import nodes

SRC = Path(__file__).parents[2] / "src" / "astro_mcp"
OWNERS: Mapping[str, tuple[str, ...]] = {
    "aiosqlite": ("store.connection",),
    "cel_expr_python": ("workflow.expressions",),
    "certifi": ("net",),
    "charset_normalizer": ("agents.search.charset",),
    "chromadb": ("agents.knowledge",),
    "cronsim": ("workflow.schedules",),
    "ddgs": ("agents.search",),
    "docker": ("sandbox",),
    "h11": ("workspace.git.remote",),
    "html_to_markdown": ("agents.search",),
    "httpcore": ("net",),
    "httpx": ("net",),
    "jmespath": ("report_formats", "packs", "agents.lint", "agents.search"),
    "lxml": ("agents.search",),
    "mcp": ("faces.mcp",),
    "mcp_types": ("faces.mcp",),
    "numpy": ("agents.knowledge",),
    "onnxruntime": ("agents.knowledge",),
    "packaging": ("agents.lint.audit", "sandbox"),
    "pathspec": ("workspace",),
    "pip": ("sandbox.packages.pip_child", "sandbox.packages.pip_index", "sandbox.packages.pip_sources"),
    "protego": ("agents.search.robots",),
    "pydantic_core": ("agents.files", "core.policies.audit", "faces.mcp", "workflow.stored_json"),
    "pypdf": ("documents.pdf_child",),
    "re2": ("agents.files", "agents.lint", "agents.tests", "report_formats", "runner", "workspace"),
    "requests": ("sandbox",),
    "rich": ("cli.show",),
    "sqlite3": ("store.connection",),
    "temporalio": ("workflow.drivers.temporal",),
    "tokenizers": ("agents.knowledge",),
    "tomllib": ("config", "faces.mcp.prompts", "packs", "workspace.toml"),
    "tree_sitter": ("agents.knowledge.outline.child", "agents.knowledge.outline.walk"),
    "tree_sitter_bash": ("agents.knowledge.outline.child",),
    "tree_sitter_c": ("agents.knowledge.outline.child",),
    "tree_sitter_c_sharp": ("agents.knowledge.outline.child",),
    "tree_sitter_cpp": ("agents.knowledge.outline.child",),
    "tree_sitter_go": ("agents.knowledge.outline.child",),
    "tree_sitter_java": ("agents.knowledge.outline.child",),
    "tree_sitter_javascript": ("agents.knowledge.outline.child",),
    "tree_sitter_php": ("agents.knowledge.outline.child",),
    "tree_sitter_python": ("agents.knowledge.outline.child",),
    "tree_sitter_ruby": ("agents.knowledge.outline.child",),
    "tree_sitter_rust": ("agents.knowledge.outline.child",),
    "tree_sitter_typescript": ("agents.knowledge.outline.child",),
    "yaml": ("workflow.document",),
}
"""sqlite3 is the standard library's, and a driver all the same. So is tomllib: what is no operator's own is read by
workspace.toml, which bounds what a text costs."""
EVERYWHERE = {"anyio", "pydantic"}
BY_NAME = {"cli.parser", "core.deferred", "daemon.house"}
"""Import a module whose name they compose or hold: our own, as their tests see."""


KINDS = (ast.Import, ast.ImportFrom, ast.Name, ast.Attribute)
"""A module without any of these does nothing."""


def imports(text: str) -> Iterator[str]:
    """Top names of whatever is imported."""
    for node in nodes(text):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def by_name(text: str) -> bool:
    """Whether something is imported by a name that only the running program knows."""
    names = {node.id for node in nodes(text) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in nodes(text) if isinstance(node, ast.Attribute)}
    return bool({"__import__", "import_module"} & (names | attributes))


def module(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def strangers(name: str, text: str) -> list[str]:
    """What `name` may not import: a vendor of another room, or one that has no room yet."""
    known = sys.stdlib_module_names - OWNERS.keys() | EVERYWHERE | {"astro_mcp"}
    return sorted(
        vendor
        for vendor in set(imports(text)) - known
        if not any(name == room or name.startswith(f"{room}.") for room in OWNERS.get(vendor, ()))
    )


FILES = {module(path): path.read_text(encoding="utf-8") for path in sorted(SRC.rglob("*.py"))}


def test_each_vendor_is_imported_in_its_own_room_alone() -> None:
    assert len(FILES) > 200
    found = {name: strangers(name, text) for name, text in FILES.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_no_module_is_empty() -> None:
    rooms = {module(path) for path in SRC.rglob("__init__.py")}
    does = {name for name, text in FILES.items() if any(isinstance(node, KINDS) for node in nodes(text))}
    assert FILES.keys() - rooms - does == set()


def test_each_owner_uses_what_it_owns() -> None:
    used = {(vendor, name) for name, text in FILES.items() for vendor in imports(text)}
    idle = [
        (vendor, room)
        for vendor, rooms in OWNERS.items()
        for room in rooms
        if not any(what == vendor and (name == room or name.startswith(f"{room}.")) for what, name in used)
    ]
    assert idle == []


def test_what_is_imported_by_name_is_our_own() -> None:
    assert {name for name, text in FILES.items() if by_name(text)} == BY_NAME


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("newroom.thing", "import docker", ["docker"]),
        ("newroom.thing", "def f():\n    from httpx import URL", ["httpx"]),
        ("newroom.thing", "import sqlite3 as s, aiosqlite", ["aiosqlite", "sqlite3"]),
        ("newroom.thing", "import temporalio.client", ["temporalio"]),
        ("workflow.drivers.sqlite.thing", "from temporalio import workflow", ["temporalio"]),
        ("netter", "import httpx", ["httpx"]),
        ("net.newfile", "import httpx, ssl, anyio, astro_mcp.core", []),
        ("faces.http", "from mcp import Client", ["mcp"]),
        ("faces.mcp.newfile", "from mcp.server import Server\nfrom . import wire", []),
    ],
)
def test_the_finder_sees_every_way_to_import(name: str, text: str, wrong: list[str]) -> None:
    assert strangers(name, text) == wrong


@pytest.mark.parametrize(
    "text",
    [
        "__import__('docker')",
        "from importlib import import_module\nx(import_module, 'httpx')",
        "importlib.import_module('a')",
    ],
)
def test_the_finder_sees_imports_by_name(text: str) -> None:
    assert by_name(text)
    assert not by_name("import importlib.metadata")
