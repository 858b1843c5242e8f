"""Python that is started in a container beside a project's files has no folder of theirs on its path of modules: a
`json.py` there would be run in place of the library's, and speak for the linter or the runner."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from astro_mcp.packs import Pack

SOURCES = Path(__file__).parents[2] / "src/astro_mcp"
APART = ("-P", "-I")
WAITING = {"sandbox/standing.py", "sandbox/canary.py", "agents/code/work.py", "packs.py"}
"""They hand a script to the interpreter that waits, which keeps the first folder of the path for it to set."""


def started(tree: ast.AST) -> Iterator[list[ast.expr]]:
    """What follows `python3` in a list or tuple of words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 1:
            first, *rest = node.elts
            if isinstance(first, ast.Constant) and first.value == "python3":
                yield rest


def test_no_source_starts_python_with_the_folder_of_its_script_on_the_path() -> None:
    found = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        for rest in started(ast.parse(path.read_text("utf-8")))
        if not (isinstance(rest[0], ast.Constant) and rest[0].value in APART)
    }
    assert found == WAITING


def test_no_manifest_does_but_those_whose_python_is_the_projects() -> None:
    pack = Pack.find()
    commands = {one.name: one.argv for one in pack.manifests("linter")}
    commands |= {one.name: one.argv for one in pack.manifests("runner")}
    found = {name for name, argv in commands.items() if argv[0].startswith("python") and argv[1] not in APART}
    assert found == {"pytest", "unittest"}
