"""Which packages a project's own files name: its lock file's where there is one, else its dependency files'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from astro_mcp.sandbox.packages.lock_files import LOCKS, locked
from astro_mcp.sandbox.packages.project_files import Finder
from astro_mcp.sandbox.packages.wanted import Wanted

NAMED: Final = (*LOCKS, "pyproject.toml", "Pipfile", "setup.cfg", "setup.py")
TEXT_BYTES: Final = 1_000_000


def counts(path: str, size: int) -> bool:
    """Whether the file at `path`, from the project's top, is one that may say what it needs."""
    return path in LOCKS or ((path in NAMED or path.endswith(".txt")) and size <= TEXT_BYTES)


def needs(files: Mapping[str, bytes], python: Mapping[str, str], *, tests: bool) -> Wanted:
    """What the project of `files` needs under `python`, the environment of dependency markers (PEP 508); with `tests`,
    what its tests need too. Raises `InvalidInput` for a lock file that can't be read, or that pins without a hash,
    and `TooLarge` for one that is."""
    for name in LOCKS:
        if name in files:
            return locked(name, files, python, tests=tests)
    return Finder(files, tests=tests).find()
