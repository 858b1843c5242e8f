"""Settings files that others go on from, by whatever name and wherever in the root. Their text is hostile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from posixpath import dirname, join, normpath
from typing import Any, Final

from astro_mcp.agents.lint.configured import LARGEST, parsed
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile, safe_path
from astro_mcp.sandbox.packages.tables import table

MOST: Final = 50
"""Settings files that are looked into, those at the top first, and files that they name."""
EACH: Final = 10
"""Files that one of them may name."""


def extended(files: Sequence[SandboxFile], linters: Sequence[Linter]) -> set[str]:
    """The paths that the settings of `linters` among `files` name as what they extend, and those that these name.
    Blocks."""
    found: set[str] = set()
    those = [linter for linter in linters if linter.extends]
    every = tuple({name for linter in those for name in (*linter.config, *linter.sections)})
    settings = [file for file in files if file.path.endswith(every)]
    for linter in those:
        own = [file for file in settings if file.path.rpartition("/")[2] in {*linter.config, *linter.sections}]
        line = sorted(own, key=lambda file: file.path.count("/"))[:MOST]
        while line and len(found) < MOST:
            paths = {normpath(join(dirname(file.path), name)) for file in line for name in _named(file, linter)}
            new = {path for path in paths if safe_path(path)} - found
            found |= new
            line = [file for file in files if file.path in new] if new else []
    return found


def _named(file: SandboxFile, linter: Linter) -> Iterator[str]:
    if len(file.data) > LARGEST:
        return
    document = _parsed(file.path, file.data)
    for section in linter.sections.get(file.path.rpartition("/")[2], ("",)):
        value: Any = document
        for key in (*filter(None, section.split(".")), linter.extends):
            value = table(value).get(key)
        yield from [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)][:EACH]


@lru_cache(maxsize=32)
def _parsed(name: str, data: bytes) -> dict[str, Any]:
    """The same settings are asked with each call. Nobody changes what this gives."""
    return parsed(name, data.decode("utf-8", "replace"))
