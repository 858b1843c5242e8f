"""A folder that git would take for its own without being named `.git`: its hooks and settings make a host run things.

Git goes by what is in it (setup.c, `is_git_directory`): `HEAD`, and `objects` and `refs`, or a `commondir` that says
where those are. Blocks: for worker threads.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from astro_mcp.errors import ProtectedPath
from astro_mcp.workspace.actions import Action, Kind, Put, Rename
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import one_line

_STORES: Final = frozenset({"objects", "refs", "commondir"})
_PARTS: Final = _STORES | {"head", "config"}


def check_git_parts(place: Place) -> None:
    """Raises `ProtectedPath` where something at `place` would lie in such a folder, or make one of a folder."""
    parts = [fold(part) for part in place.parts]
    folder = place.root
    for depth, part in enumerate(parts):
        if _is_git(folder, part, last=depth == len(parts) - 1):
            raise ProtectedPath(
                f"{one_line(place.display)} is part of a folder that git takes for its own", "use the git tools"
            )
        folder /= place.parts[depth]


def check_together(actions: Sequence[Action]) -> None:
    """Raises `ProtectedPath` where `actions` make such a folder together, though none of them does alone."""
    tree = _Planned()
    for action in actions:
        tree.take(action)
    coming: defaultdict[Place, set[str]] = defaultdict(set)
    for place, kind in tree.kinds.items():
        name = fold(place.name)
        if (name in _STORES and kind != "absent") or (name in _PARTS and kind in ("file", "link")):
            coming[place.at(place.relative.rpartition("/")[0])].add(name)
    for folder, names in coming.items():
        there = names | {name for name in _STORES if tree.kind(folder.child(name)) != "absent"}
        head = "head" in names or tree.kind(folder.child("HEAD")) in ("file", "link")
        if (there & _STORES and head) or there >= {"objects", "refs", "config"}:
            raise ProtectedPath(
                f"{one_line(folder.display)} would become a folder that git takes for its own",
                "a person can do this with git itself",
            )


def completing(paths: Iterable[str]) -> Iterator[str]:
    """Of all files of a tree those that let git take the folder they are in for a repository."""
    there: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            last = depth == len(parts) - 1
            if len(part) < 12 and (name := fold(part)) in (_PARTS if last else _STORES):
                there["/".join(parts[:depth])][name].append(path)
    for names in there.values():
        if "head" in names and names.keys() & _STORES:
            yield from (path for name in ("head", "config", "commondir") if name in names for path in names[name])


class _Planned:
    """The tree as actions leave it: `kinds` of what they touched, and for the rest what is on disk now."""

    def __init__(self) -> None:
        self.kinds: dict[Place, Kind] = {}
        self._moved: dict[Place, Place] = {}

    def take(self, action: Action) -> None:
        if isinstance(action, Put):
            self.kinds[action.place] = action.after.kind
            return
        source = self._now(action.place)
        self.kinds = {_after(place, action): kind for place, kind in self.kinds.items()}
        self._moved = {_after(place, action): now for place, now in self._moved.items()}
        self.kinds |= {action.place: "absent", action.to: action.state.kind}
        self._moved[action.to] = source

    def kind(self, place: Place) -> Kind:
        return self.kinds[place] if place in self.kinds else _kind(self._now(place).path)

    def _now(self, place: Place) -> Place:
        """Where on disk what will be at `place` is, if nothing was put there."""
        for depth in range(len(place.parts), 0, -1):
            above = place.at("/".join(place.parts[:depth]))
            if above in self._moved:
                now = self._moved[above]
                return now.at(now.relative + place.relative[len(above.relative) :])
        return place


def _after(place: Place, action: Rename) -> Place:
    source = action.place
    if place != source and not (place.root == source.root and place.relative.startswith(f"{source.relative}/")):
        return place
    return action.to.at(action.to.relative + place.relative[len(source.relative) :])


def _is_git(folder: Path, coming: str, *, last: bool) -> bool:
    """Whether `folder` is git's once it has `coming`, which is a folder unless it is the `last` part of a path."""
    stores = {name for name in _STORES if os.path.lexists(folder / name)} | ({coming} & _STORES)
    if stores >= {"objects", "refs"} and last and coming == "config":
        return True
    return bool(stores) and ((last and coming == "head") or _kind(folder / "HEAD") in ("file", "link"))


def _kind(path: Path) -> Kind:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return "absent"
    return "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file"
