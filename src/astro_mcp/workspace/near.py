"""The path that may be meant by one that is not there. Blocks: for worker threads."""

from __future__ import annotations

import os
from typing import Final

from astro_mcp.errors import AstroError
from astro_mcp.nearest import nearest
from astro_mcp.workspace.beneath import open_folder, resolve
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.temporary import is_temporary

NAMES: Final = 1_000
"""Names of a folder among which a like one is looked for."""


def near_path(place: Place) -> str | None:
    """The same path without the root's own name before it, else a like name in its folder, as the session can pass it
    back."""
    first, _, rest = place.relative.partition("/")
    try:
        found = resolve(place.root, rest) if first == place.root.name and rest else None
        if found and os.path.lexists(place.root / found):
            return place.shown(found)
        folder, _, last = place.relative.rpartition("/")
        with open_folder(place.root, place.parts[:-1], place.display) as descriptor:
            names = [name for name in os.listdir(descriptor)[:NAMES] if not is_temporary(name)]
    except (AstroError, OSError):
        return None
    near = nearest(last, names)
    return near and place.shown(f"{folder}/{near}" if folder else near)
