"""What a source distribution says of its build (PEP 517, PEP 518): hostile text, of which names and versions stay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from astro_mcp.errors import InvalidInput
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.job import safe_path
from astro_mcp.sandbox.packages.requirements import canonical
from astro_mcp.workspace.toml import toml

LARGEST: Final = 256 * 1024
BACKEND: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,199}(:[A-Za-z_][A-Za-z0-9_.]{0,199})?")
LEGACY: Final = "setuptools.build_meta:__legacy__"
SETUPTOOLS: Final = "setuptools>=40.8.0"
"""The first that has the backend for projects that name none."""


@dataclass(frozen=True, slots=True)
class BuildSystem:
    """`requires` are names with versions; `backend` is `module:object`; `path` are folders of the source, where the
    backend itself is part of it."""

    requires: tuple[str, ...]
    backend: str
    path: tuple[str, ...]


def build_system(text: bytes | None) -> BuildSystem:
    """`[build-system]` of a pyproject.toml, or what holds where there is none. Raises `InvalidInput`."""
    table = _table(text)
    if table is None:
        return BuildSystem(canonical([SETUPTOOLS, "wheel"]), LEGACY, ())
    requires, backend, path = table.get("requires"), table.get("build-backend"), table.get("backend-path", [])
    if not _texts(requires) or not _texts(path) or not isinstance(backend, str | None):
        raise InvalidInput("its [build-system] is not of the form that PEP 518 gives")
    if not all(folder == "." or safe_path(folder) for folder in path):
        raise InvalidInput("its backend-path leads out of it")
    if backend is not None and not BACKEND.fullmatch(backend):
        raise InvalidInput(f"its build-backend is no name of a module: {printable(backend, 80)}")
    return BuildSystem(names([*requires, *([] if backend else [SETUPTOOLS])]), backend or LEGACY, tuple(path))


def names(requires: list[str]) -> tuple[str, ...]:
    """What a build asks for, checked as what a caller asks for is. Raises `InvalidInput`."""
    try:
        return canonical(requires)
    except InvalidInput as error:
        raise InvalidInput(f"what its build asks for is refused: {printable(error.message, 300)}") from None


def _table(text: bytes | None) -> dict[str, Any] | None:
    if text is None:
        return None
    if len(text) > LARGEST:
        raise InvalidInput(f"its pyproject.toml holds {len(text):,} bytes; {LARGEST:,} are the bound")
    try:
        table = toml(text.decode()).get("build-system")
    except ValueError as error:
        raise InvalidInput(f"its pyproject.toml can't be read: {printable(str(error), 200)}") from None
    if table is not None and not isinstance(table, dict):
        raise InvalidInput("its [build-system] is no table")
    return table


def _texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
