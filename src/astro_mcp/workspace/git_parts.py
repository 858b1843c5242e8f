"""A folder that git would take for its own without being named `.git`: its hooks and settings make a host run things.

Git goes by what is in it (setup.c, `is_git_directory`): `HEAD`, and `objects` and `refs`, or a `commondir` that says
where those are. Blocks: for worker threads.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from astro_mcp.errors import ProtectedPath
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.place import Place

_STORES: Final = frozenset({"objects", "refs", "commondir"})


def check_git_parts(place: Place) -> None:
    """Raises `ProtectedPath` where something at `place` would lie in such a folder, or make one of a folder."""
    parts = [fold(part) for part in place.parts]
    folder = place.root
    for depth, part in enumerate(parts):
        if _is_git(folder, part, last=depth == len(parts) - 1):
            raise ProtectedPath(f"{place.display} is part of a folder that git takes for its own", "use the git tools")
        folder /= place.parts[depth]


def _is_git(folder: Path, coming: str, *, last: bool) -> bool:
    """Whether `folder` is git's once it has `coming`, which is a folder unless it is the `last` part of a path."""
    stores = {name for name in _STORES if os.path.lexists(folder / name)} | ({coming} & _STORES)
    if stores >= {"objects", "refs"} and last and coming == "config":
        return True
    return bool(stores) and ((last and coming == "head") or _is_file(folder / "HEAD"))


def _is_file(path: Path) -> bool:
    try:
        return not stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
