"""What taking back means, before anything is touched. Blocks: for worker threads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from astro_mcp.errors import Conflict, NotFound
from astro_mcp.workspace.actions import ABSENT, Action, Put, Rename, State
from astro_mcp.workspace.beneath import open_folder
from astro_mcp.workspace.diff import Image
from astro_mcp.workspace.executor import look
from astro_mcp.workspace.git_parts import check_together
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.package_scripts import check_scripts
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.planning import ChangedFile, Plan, check_place
from astro_mcp.workspace.text import one_line


@dataclass(frozen=True, slots=True)
class Reversal:
    """The plan, and what it does to each file."""

    plan: Plan
    images: tuple[Image, ...]


def reverse(actions: Sequence[Action], contents: Mapping[str, bytes], guard: ReadGuard) -> Reversal:
    """Try `actions` on a picture of the tree. Raises `Conflict` where a file is not as it was left, and what the
    guards raise."""
    picture = _Picture(contents, guard)
    kept = [taken for action in actions if (taken := picture.take(action))]
    check_together(kept)
    plan = Plan(kept, dict(contents))
    images = []
    for place, first in picture.first.items():
        last = picture.now[place]
        if "folder" in (last.kind, first.kind):
            continue
        images.append(Image(place.display, picture.bytes_of(first), picture.bytes_of(last)))
        plan.files.append(ChangedFile(place.display, last.value if last.kind == "file" else None))
    for data in picture.found.values():
        plan.keep(data)
    return Reversal(plan, tuple(images))


class _Picture:
    """The tree as it is, with the actions so far on top."""

    def __init__(self, contents: Mapping[str, bytes], guard: ReadGuard) -> None:
        self.first: dict[Place, State] = {}
        self.now: dict[Place, State] = {}
        self.found: dict[str, bytes] = {}
        self._contents = contents
        self._guard = guard

    def take(self, action: Action) -> Action | None:
        """Add one action; None for the removal of a folder that others have put something into since."""
        if isinstance(action, Rename):
            self._rename(action)
            return action
        if action.before.kind == "folder" and self._holds_more(action.place):
            return None
        return self._put(action)

    def _holds_more(self, place: Place) -> bool:
        try:
            with open_folder(place.root, place.parts, place.display) as descriptor:
                names = os.listdir(descriptor)
        except NotFound:
            return False
        return any(self.now.get(place.child(name)) != ABSENT for name in names)

    def _put(self, action: Put) -> Put:
        """The action, by which a file keeps a mode that it got since."""
        state, after = self._at(action.place), action.after
        if not state.same(action.before):
            raise _changed(action.place)
        if after.kind == "file":
            before = self.bytes_of(state)
            check_scripts(action.place.name, before, self._contents[after.value], one_line(action.place.display))
            if state.kind == "file" and action.before.mode and state.mode != action.before.mode:
                after = replace(after, mode=state.mode)
        self.now[action.place] = after
        return Put(action.place, state, after)

    def _rename(self, action: Rename) -> None:
        state = self._at(action.place)
        if state.kind != action.state.kind or (state.kind != "folder" and not state.same(action.state)):
            raise _changed(action.place)
        if self._at(action.to).kind != "absent":
            raise _changed(action.to)
        self.now[action.to], self.now[action.place] = state, ABSENT

    def bytes_of(self, state: State) -> bytes | None:
        if state.kind != "file":
            return None
        return self.found.get(state.value, self._contents.get(state.value, b""))

    def _at(self, place: Place) -> State:
        if place not in self.now:
            check_place(place)
            self._guard.check(place.relative, place.display)
            state, data = look(place)
            if state.kind == "file":
                self.found[state.value] = data
            self.first[place] = self.now[place] = state
        return self.now[place]


def _changed(place: Place) -> Conflict:
    return Conflict(f"{one_line(place.display)} changed since, so this can't be undone", "undo the later changes first")
