"""The keys of package files that name commands: a change of these makes a host run something."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from configparser import Error, RawConfigParser
from typing import Any, Final

from astro_mcp.errors import ApprovalRequired
from astro_mcp.workspace.guards import BY_HAND
from astro_mcp.workspace.names import Names, fold
from astro_mcp.workspace.toml import toml

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
_SECTIONS: Final = ("options/entry_points", "entry_points", "aliases", "global", "hooks")
_BACKENDS: Final = frozenset(
    {
        "flit_core.buildapi",
        "hatchling.build",
        "maturin",
        "pdm.backend",
        "poetry.core.masonry.api",
        "scikit_build_core.build",
        "setuptools.build_meta",
        "uv_build",
    }
)
_REQUIRED: Final = re.compile(
    r"(?:flit[-_]core|hatchling|hatch-vcs|maturin|pdm-backend|poetry-core|scikit-build-core|setuptools|setuptools[-_]scm"
    r"|uv[-_]build|wheel)(?:\[toml\])?\s*(?:[<>=!~]=?[\s0-9.*,<>=!~a-z]*)?"
)


def _sections(text: str) -> dict[str, dict[str, str]]:
    """The sections of an ini file, by lower-case names with slashes for dots."""
    parser = RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except Error as error:
        raise ValueError(str(error)) from None
    return {name.lower().replace(".", "/"): dict(parser[name]) for name in parser.sections()}


_FILES: Final[tuple[tuple[Names, Callable[[str], Any], tuple[str, ...]], ...]] = (
    (Names(["package.json", "composer.json", "deno.json", "deno.jsonc"]), json.loads, _JSON),
    (Names(["pyproject.toml"]), toml, _TOML),
    (Names(["Pipfile"]), toml, ("scripts",)),
    (Names(["setup.cfg"]), _sections, _SECTIONS),
)


def check_scripts(name: str, before: bytes | None, after: bytes | None, shown: str) -> None:
    """Raises `ApprovalRequired` where a package file that holds `before` and then `after` (None: no such file) changes
    a key of commands.

    Coming and going count as changes, or two steps would do what one may not. Only a build system that everybody
    knows counts as none, so that a package can be begun.
    """
    rule = _rule(name)
    if rule is None:
        return
    load, keys = rule
    old, new = _load(load, before), _load(load, after)
    for key in keys:
        if _at(old, key) != _at(new, key):
            said = f"the change of {key.replace('/', '.')!r} in {shown} names commands that a host may run"
            raise ApprovalRequired(said, BY_HAND)


def is_package_file(name: str) -> bool:
    """Whether `check_scripts` looks into files of this name."""
    return _rule(name) is not None


def _rule(name: str) -> tuple[Callable[[str], Any], tuple[str, ...]] | None:
    folded = fold(name)
    return next(((load, keys) for names, load, keys in _FILES if folded in names), None)


def _load(load: Callable[[str], Any], data: bytes | None) -> Any:
    """The document, or its text where it is none: then every change of it counts."""
    if data is None:
        return {}
    try:
        return load(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return data


def _at(document: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(document, bytes):
            return document
        document = document.get(part) if isinstance(document, dict) else None
    return None if key == "build-system" and _is_known(document) else document


def _is_known(build: Any) -> bool:
    """Whether a build system runs nothing but well-known backends: nothing of the repository's own, no package else."""
    if not isinstance(build, dict) or not build.keys() <= {"requires", "build-backend"}:
        return False
    required = build.get("requires", [])
    if not isinstance(required, list) or build.get("build-backend", "setuptools.build_meta") not in _BACKENDS:
        return False
    return all(isinstance(item, str) and _REQUIRED.fullmatch(item) for item in required)
