"""A project of the workspace whose packages the code is given: read through the guards, and nothing of it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from astro_mcp.core.call import Context
from astro_mcp.errors import NotFound
from astro_mcp.sandbox.packages.lock_files import LOCK_BYTES
from astro_mcp.sandbox.packages.project_needs import NAMED, counts, needs
from astro_mcp.sandbox.packages.wanted import Wanted
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

MOST_FILES: Final = 50


async def wanted_by(project: str, workspace: Workspace, sandbox: Sandbox, ctx: Context) -> Wanted:
    """What the lock file, or else the dependency files, of the folder `project` name. Raises `NotFound` where it has
    none, and what `Workspace.locate`, `Workspace.read` and `needs` do."""
    place = workspace.locate(ctx.session, project)
    names = await workspace.quickly(lambda: list(_names(place))[:MOST_FILES])
    texts = {}
    for name in names:
        file = workspace.locate(ctx.session, str(place.path / name))
        data = await workspace.read(file, LOCK_BYTES)
        if counts(name, len(data)):
            texts[name] = data
    if not texts:
        raise NotFound(
            f"{place.display} has no lock file and no dependency file",
            "name a folder with a lock of Python packages, a pyproject.toml, requirements.txt or Pipfile",
        )
    python = await sandbox.python()
    return await workspace.quickly(lambda: needs(texts, python, tests=False))


def _names(place: Place) -> Iterator[str]:
    """The files below `place` that may say something; blocks."""
    yield from (name for name in NAMED if (place.path / name).is_file())
    for folder in ("", "requirements/"):
        if (place.path / folder).is_dir():
            found = sorted(os.listdir(place.path / folder))
            yield from (f"{folder}{name}" for name in found if name.endswith(".txt"))
