"""Many files of a tree that come, go and change at once, laid out as actions: files go first, then the folders that
this left empty, then folders and files come. Blocks: for worker threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from astro_mcp.errors import Conflict, NotFound
from astro_mcp.workspace.actions import ABSENT, Put, State
from astro_mcp.workspace.beneath import open_folder
from astro_mcp.workspace.executor import look
from astro_mcp.workspace.git_parts import check_together
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.package_scripts import check_scripts
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.planning import ChangedFile, Plan, check_place, check_target
from astro_mcp.workspace.text import one_line


@dataclass(frozen=True, slots=True)
class Coming:
    """What lies at `place` (and the bytes of a file), and what will: None for nothing. A folder comes empty,
    and goes where it is empty."""

    place: Place
    before: State
    data: bytes
    after: tuple[State, bytes] | None


def plan_tree(coming: Sequence[Coming], guard: ReadGuard, top: Place) -> Plan:
    """The actions, each checked as the change of a single file is; folders above `top` stay, and so does `top`.

    Raises `Conflict` where something that is not in `coming` is in the way, `ProtectedPath`, `ApprovalRequired`,
    `TooLarge`.
    """
    planner = _Planner(guard, top)
    for item in coming:
        planner.check(item)
    for item in coming:
        if item.after is None or item.after[0].kind != item.before.kind or item.before.kind == "link":
            planner.remove(item)
    planner.remove_emptied(coming)
    for item in coming:
        planner.write(item)
    check_together(planner.plan.actions)
    return planner.plan


class _Planner:
    def __init__(self, guard: ReadGuard, top: Place) -> None:
        self.plan = Plan()
        self._guard = guard
        self._top = top
        self._now: dict[Place, State] = {}

    def check(self, item: Coming) -> None:
        place = item.place
        self._now[place] = item.before
        if item.before.kind == "folder" and (item.after is None or item.after[0].kind == "folder"):
            return  # nothing is written
        check_place(place)
        if item.before.kind == "file":
            self._guard.check(place.relative, place.display)
        before = item.data if item.before.kind == "file" else None
        after = item.after[1] if item.after and item.after[0].kind == "file" else None
        check_scripts(place.name, before, after, one_line(place.display))

    def remove(self, item: Coming) -> None:
        if item.before.kind not in ("file", "link"):
            return
        check_target(item.before, item.place)
        if item.before.kind == "file":
            self.plan.keep(item.data)
        self._act(Put(item.place, item.before, ABSENT))
        if item.after is None:
            self.plan.files.append(ChangedFile(item.place.display, None))

    def remove_emptied(self, coming: Sequence[Coming]) -> None:
        """Folders that hold nothing any more, the innermost first."""
        leaving = [item.place for item in coming if item.after is None and item.before.kind == "folder"]
        gone = [*leaving, *(place for place, state in self._now.items() if state == ABSENT)]
        above = {place.at("/".join(place.parts[:depth])) for place in gone for depth in range(1, len(place.parts))}
        for folder in sorted({*above, *leaving}, key=lambda place: len(place.parts), reverse=True):
            if len(folder.parts) > len(self._top.parts) and self._is_empty(folder):
                self._act(Put(folder, look(folder)[0], ABSENT))

    def write(self, item: Coming) -> None:
        if item.after is None:
            return
        place, (state, data) = item.place, item.after
        if state.kind == "file":
            state = State("file", hashlib.sha256(data).hexdigest(), _mode(item.before, state))
        now = self._at(place)
        if state.kind != "folder":
            self.plan.files.append(ChangedFile(place.display, state.value if state.kind == "file" else None))
        if now == state or state.kind == now.kind == "folder":
            return
        if now.kind == "folder":
            raise Conflict(f"{one_line(place.display)} is a folder that holds other files", "move them away first")
        self._make_folders(place)
        if state.kind == "file":
            self.plan.keep(data)
        if now.kind == "file":
            self.plan.keep(item.data)
        self._act(Put(place, now, state))

    def _make_folders(self, place: Place) -> None:
        for depth in range(1, len(place.parts)):
            above = place.at("/".join(place.parts[:depth]))
            state = self._at(above)
            if state.kind == "absent":
                self._act(Put(above, ABSENT, State("folder")))
            elif state.kind != "folder":
                raise Conflict(
                    f"{one_line(above.display)} is a {state.kind} and in the way of a folder", "move it away first"
                )

    def _is_empty(self, folder: Place) -> bool:
        try:
            with open_folder(folder.root, folder.parts, folder.display) as descriptor:
                names = os.listdir(descriptor)
        except NotFound:
            return False
        return all(self._now.get(folder.child(name)) == ABSENT for name in names)

    def _at(self, place: Place) -> State:
        if place not in self._now:
            self._now[place] = look(place)[0]
        return self._now[place]

    def _act(self, action: Put) -> None:
        self._now[action.place] = action.after
        self.plan.actions.append(action)


def _mode(before: State, after: State) -> int:
    """Who may read and write a file stays as it was; who may run it comes."""
    if before.kind != "file":
        return after.mode
    return before.mode | (before.mode & 0o444) >> 2 if after.mode & 0o100 else before.mode & ~0o111
