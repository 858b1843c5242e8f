"""From what is asked to what is done: guards, expectations, and the exact actions. Blocks: for worker threads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from astro_mcp.errors import Conflict, InvalidInput, NotFound, PathDenied, TooLarge
from astro_mcp.workspace.actions import ABSENT, Action, Put, Rename, State
from astro_mcp.workspace.executor import LARGEST, look
from astro_mcp.workspace.git_parts import check_git_parts, check_together
from astro_mcp.workspace.guards import ReadGuard, check_write
from astro_mcp.workspace.package_scripts import check_scripts, is_package_file
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import one_line
from astro_mcp.workspace.walk import Collapsed, Entry, walk

MOST: Final = 2_000
"""Entries of a folder that is deleted or moved whole."""


@dataclass(frozen=True, slots=True)
class Write:
    """A file gets `content`. `if_match` is the sha256 that it must have now; `create_only`: it must not be there."""

    place: Place
    content: bytes
    if_match: str | None = None
    create_only: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A file, a link or a folder goes to `to`, where nothing may be."""

    place: Place
    to: Place
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """A file, a link, or a folder with all that is in it goes."""

    place: Place
    if_match: str | None = None


Change = Write | Move | Delete


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """`path` as the session can pass it back; `sha256` is None where nothing is any more."""

    path: str
    sha256: str | None


@dataclass(slots=True)
class Plan:
    """Actions in order, the bytes that they name by sha256, and what the caller is told."""

    actions: list[Action] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    files: list[ChangedFile] = field(default_factory=list)
    size: int = 0

    def keep(self, data: bytes) -> str:
        """Take `data` along; returns its sha256. Raises `TooLarge`."""
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self.contents:
            self.size += len(data)
            if self.size > LARGEST:
                raise TooLarge(
                    f"one change set holds at most {LARGEST:,} bytes before and after", "change less at once"
                )
            self.contents[sha256] = data
        return sha256


def plan(changes: Sequence[Change], guard: ReadGuard) -> Plan:
    """Check every change and lay out the actions; nothing is touched.

    Raises `InvalidInput`, `Conflict`, `NotFound`, `PathDenied`, `ProtectedPath`, `ApprovalRequired`, `TooLarge`.
    """
    _check_distinct(changes)
    planner = _Planner(guard)
    for change in changes:
        if isinstance(change, Write):
            planner.write(change)
        elif isinstance(change, Move):
            planner.move(change)
        else:
            planner.delete(change)
    check_together(planner.plan.actions)
    return planner.plan


def check_place(place: Place) -> None:
    """The write guard, the root itself, and folders that are git's by what is in them."""
    if not place.relative:
        raise InvalidInput("this is the workspace root itself", "name something within it")
    check_write(place.relative, place.display)
    check_git_parts(place)


def check_target(state: State, place: Place) -> None:
    """Raises `PathDenied` for a link to a name that is not UTF-8: the journal, which is text, could not hold it."""
    try:
        state.value.encode()
    except UnicodeEncodeError:
        raise PathDenied(
            f"{one_line(place.display)} is a link to a name that is not UTF-8", "change it by hand"
        ) from None


def _check_distinct(changes: Sequence[Change]) -> None:
    for change in changes:
        if isinstance(change, Move) and change.to.path.is_relative_to(change.place.path):
            shown = one_line(change.place.display)
            raise InvalidInput(f"{shown} can't go where it is, or into itself", "name a place outside of it")
        if isinstance(change, Move) and change.place.path.is_relative_to(change.to.path):
            raise Conflict(f"{one_line(change.to.display)} exists: it is a folder above", "name another place")
    paths = sorted(place.path.parts for change in changes for place in _places(change))
    for one, other in pairwise(paths):
        if other[: len(one)] == one:
            raise InvalidInput(
                f"two changes of one set touch {one_line('/'.join(other)[1:])}", "make them one after the other"
            )


def _places(change: Change) -> tuple[Place, ...]:
    return (change.place, change.to) if isinstance(change, Move) else (change.place,)


class _Planner:
    def __init__(self, guard: ReadGuard) -> None:
        self.plan = Plan()
        self._guard = guard
        self._made: set[Place] = set()

    def write(self, change: Write) -> None:
        place = change.place
        check_place(place)
        state, data = look(place)
        if state.kind not in ("absent", "file"):
            raise InvalidInput(f"{one_line(place.display)} is a {state.kind}", "name a file")
        exists = state.kind == "file"
        if exists:
            self._guard.check(place.relative, place.display)
        sha256 = hashlib.sha256(change.content).hexdigest()
        self.plan.files.append(ChangedFile(place.display, sha256))
        if exists and state.value == sha256:
            return
        if exists and change.create_only:
            raise Conflict(f"{one_line(place.display)} exists", "leave create_only out to replace it")
        _check_match(place, state, change.if_match)
        check_scripts(place.name, data if exists else None, change.content, one_line(place.display))
        self._make_folders(place)
        if exists:
            self.plan.keep(data)
        after = State("file", self.plan.keep(change.content), state.mode)
        self.plan.actions.append(Put(place, state, after))

    def move(self, change: Move) -> None:
        place, to = change.place, change.to
        state, data = self._existing(place)
        _check_match(place, state, change.if_match)
        check_target(state, place)
        check_place(to)
        if (there := look(to)[0].kind) != "absent":
            inside = f"to go into that folder: {one_line(f'{to.display}/{place.name}')}"
            hint = inside if there == "folder" else "move or delete it first, or name another place"
            raise Conflict(f"{one_line(to.display)} exists", hint)
        if state.kind == "file":
            self._check_moved(place, to, data)
        for entry in self._below(place) if state.kind == "folder" else ():
            source, target = place.at(entry.path), to.at(to.relative + entry.path[len(place.relative) :])
            self._check_source(source)
            check_place(target)
            if entry.type == "file" and is_package_file(source.name):
                self._check_moved(source, target, look(source)[1])
        self._make_folders(to)
        self.plan.actions.append(Rename(place, to, state))
        sha256 = state.value if state.kind == "file" else None
        self.plan.files += [ChangedFile(place.display, None), ChangedFile(to.display, sha256)]

    @staticmethod
    def _check_moved(place: Place, to: Place, data: bytes) -> None:
        check_scripts(place.name, data, None, one_line(place.display))
        check_scripts(to.name, None, data, one_line(to.display))

    def delete(self, change: Delete) -> None:
        state, _ = self._existing(change.place)
        _check_match(change.place, state, change.if_match)
        below = list(self._below(change.place)) if state.kind == "folder" else []
        for entry in reversed(below):
            self._remove(change.place.at(entry.path))
        self._remove(change.place)

    def _remove(self, place: Place) -> None:
        self._check_source(place)
        state, data = look(place)
        check_target(state, place)
        if state.kind == "file":
            check_scripts(place.name, data, None, one_line(place.display))
            self.plan.keep(data)
        if state.kind != "folder":
            self.plan.files.append(ChangedFile(place.display, None))
        self.plan.actions.append(Put(place, state, ABSENT))

    def _existing(self, place: Place) -> tuple[State, bytes]:
        self._check_source(place)
        state, data = look(place)
        if state.kind == "absent":
            raise NotFound(f"{one_line(place.display)} does not exist", "fs_list shows what there is")
        return state, data

    def _check_source(self, place: Place) -> None:
        """What goes away is kept as an artifact, so a secret does not: it would be readable there."""
        check_place(place)
        self._guard.check(place.relative, place.display)

    def _below(self, place: Place) -> Iterator[Entry]:
        for count, entry in enumerate(walk(place, include_ignored=True, include_git=True)):
            if isinstance(entry, Collapsed) or count >= MOST:
                raise TooLarge(
                    f"{one_line(place.display)} holds more than {MOST:,} entries", "take it in parts, or by hand"
                )
            if entry.type == "other":
                raise PathDenied(f"{one_line(entry.path)} is a pipe, a socket, a device, or not named in UTF-8")
            yield entry

    def _make_folders(self, place: Place) -> None:
        """Plan the folders above `place` that are missing, outermost first."""
        parts = place.parts
        for depth in range(1, len(parts)):
            above = place.at("/".join(parts[:depth]))
            if above in self._made:
                continue
            state = look(above)[0]
            if state.kind == "absent":
                self._made.add(above)
                self.plan.actions.append(Put(above, ABSENT, State("folder")))
            elif state.kind != "folder":
                raise InvalidInput(f"{one_line(above.display)} is a {state.kind}, not a folder", "name another path")


def _check_match(place: Place, state: State, if_match: str | None) -> None:
    if if_match is None:
        return
    if state.kind != "file":
        raise Conflict(
            f"{one_line(place.display)} is no file now, so nothing of it matches", "fs_list shows what is there"
        )
    if state.value != if_match.lower():
        raise Conflict(f"{one_line(place.display)} changed: its sha256 is {state.value}", "read it again, then repeat")
