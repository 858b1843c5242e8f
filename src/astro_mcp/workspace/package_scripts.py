"""The keys of package files that name commands: a change of these makes a host run something."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any, Final

from astro_mcp.errors import ApprovalRequired
from astro_mcp.workspace.guards import BY_HAND
from astro_mcp.workspace.names import fold

_JSON: Final = ("scripts", "husky", "lint-staged", "simple-git-hooks", "pre-commit", "gypfile", "bin", "tasks")
_TOML: Final = (
    "build-system",
    "project.scripts",
    "project.gui-scripts",
    "project.entry-points",
    "tool.poetry.scripts",
    "tool.poetry.build",
    "tool.pdm.scripts",
    "tool.pdm.build",
    "tool.poe",
    "tool.taskipy",
    "tool.hatch.envs",
    "tool.hatch.build.hooks",
    "tool.setuptools.cmdclass",
    "tool.pixi.tasks",
    "tool.rye.scripts",
)
_FILES: Final[dict[str, tuple[Callable[[str], Any], tuple[str, ...]]]] = {
    "package.json": (json.loads, _JSON),
    "composer.json": (json.loads, _JSON),
    "deno.json": (json.loads, _JSON),
    "pyproject.toml": (tomllib.loads, _TOML),
}


def check_scripts(name: str, before: bytes | None, after: bytes, shown: str) -> None:
    """Raises `ApprovalRequired` where writing `after` over `before` (None: a new file) changes a key of commands.

    A new file may bring a build system, since nothing ran from here before; scripts it may not.
    """
    rule = _FILES.get(fold(name))
    if rule is None:
        return
    load, keys = rule
    old = {} if before is None else _load(load, before)
    new = _load(load, after)
    for key in keys:
        if before is None and key in ("build-system", "bin"):
            continue
        if _at(old, key) != _at(new, key):
            raise ApprovalRequired(f"the change of {key!r} in {shown} names commands that a host may run", BY_HAND)


def _load(load: Callable[[str], Any], data: bytes) -> Any:
    """The document, or its text where it is none: then every change of it counts."""
    try:
        return load(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return data


def _at(document: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(document, bytes):
            return document
        document = document.get(part) if isinstance(document, dict) else None
    return document
