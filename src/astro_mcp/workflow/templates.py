"""Workflows that are kept as files: `resources/workflows/NAME.yaml` of a pack."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.model import NAME, Document
from astro_mcp.workflow.document.read import read

_NAME: Final = re.compile(NAME)


@dataclass(frozen=True, slots=True)
class Template:
    """One file: its name, its text, and what it declares."""

    name: str
    text: str
    document: Document


class Templates:
    """Reads `folder` at first use; a file that is no workflow stops it, named."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._limiter = anyio.CapacityLimiter(1)
        self._found: dict[str, Template] = {}

    async def all(self) -> list[Template]:
        """Every template, by name."""
        if not self._found:
            self._found = await anyio.to_thread.run_sync(self._read, limiter=self._limiter)
        return list(self._found.values())

    async def get(self, name: str) -> Template:
        """The template of that name; raises `NotFound` with the nearest one."""
        names = [template.name for template in await self.all()]
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean {near}?" if near else f"there are: {', '.join(names) or 'none'}"
            raise NotFound(f"no template is named {name[:60]!r}", hint)
        return self._found[name]

    def _read(self) -> dict[str, Template]:
        found = {}
        for path in sorted(self._folder.glob("*.yaml")):
            if not _NAME.fullmatch(path.stem):
                raise NotFound(f"{path}: a template's name is of a-z, 0-9 and -")
            text = path.read_text(encoding="utf-8")
            document = read(text)
            if not document.version:
                raise InvalidInput(f"{path}: a template has a version", 'version: "1"')
            found[path.stem] = Template(path.stem, text, document)
        return found
