"""What setup.py gives to `setup(...)` as plain values, or by the names of constants that are. Nothing of it runs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from astro_mcp.sandbox.packages.declared.dependency import Dependency
from astro_mcp.sandbox.packages.declared.purposes import chosen_names
from astro_mcp.sandbox.packages.declared.setup_cfg import read
from astro_mcp.sandbox.packages.tables import strings, table

NAME: Final = "setup.py"
LARGEST: Final = 50_000
WANTED: Final = ("name", "version", "install_requires", "tests_require", "extras_require")


def given(data: bytes) -> dict[str, Any]:
    """By the arguments' names; what is computed is not there."""
    try:
        tree = ast.parse(data if len(data) <= LARGEST else b"")
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        call = next((node for node in calls if _called(node.func) == "setup"), None)
        constants = dict(_constants(tree))
        values = {word.arg: _value(word.value, constants) for word in call.keywords} if call else {}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {name: values[name] for name in WANTED if values.get(name) is not None}


def dependencies(said: Mapping[str, Any], leave: Callable[[str, str], None], *, tests: bool) -> Iterator[Dependency]:
    """What is needed, of what `given` found; `leave` is told what can't be read, and why."""
    extras = table(said.get("extras_require"))
    values = [said.get("install_requires")]
    if tests:
        names = chosen_names(map(str, extras))
        values += [said.get("tests_require"), *(extras[name] for name in names)]
    for value in values:
        lines = (
            value.split("\n") if isinstance(value, str) else strings(list(value) if isinstance(value, tuple) else value)
        )
        yield from read(lines, leave)


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and (value := _value(node.value, {})) is not None:
            yield from ((target.id, value) for target in node.targets if isinstance(target, ast.Name))


def _value(node: ast.expr, constants: dict[str, Any]) -> Any:
    """None where it is computed."""
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _called(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
