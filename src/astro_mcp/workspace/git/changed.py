"""What git says of a path that changed: its status, porcelain format 2."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SUBMODULE: Final = "160000"
"""A submodule's mode."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One path. `staged` and `unstaged` are git's letters (M A D R T, "." for none); "?" both ways is untracked.

    `path` is as the file system has it: bytes that are no UTF-8 stand as surrogates. `former` is the name before a
    rename. `submodule` tells one: what the index has of it is not read from the working tree.
    """

    path: str
    staged: str
    unstaged: str
    former: str = ""
    submodule: bool = False

    @property
    def untracked(self) -> bool:
        return self.staged == "?"

    @property
    def conflicted(self) -> bool:
        return self.staged == "U"


def parse(out: bytes) -> tuple[list[Changed], list[str]]:
    """git-status(1), porcelain format 2 with `-z`: what changed, and what is ignored, where that was asked for."""
    found: list[Changed] = []
    ignored: list[str] = []
    records = iter(os.fsdecode(out).split("\0"))
    for record in records:
        match record[:1]:
            case "1":
                _, xy, _, *modes, _, _, path = record.split(" ", 8)
                found.append(Changed(path, xy[0], xy[1], submodule=_is_submodule(modes)))
            case "2":
                _, xy, _, *modes, _, _, _, path = record.split(" ", 9)
                found.append(Changed(path, xy[0], xy[1], next(records, ""), _is_submodule(modes)))
            case "u":
                found.append(Changed(record.split(" ", 10)[10], "U", "U"))
            case "?":
                found.append(Changed(record[2:], "?", "?"))
            case "!":
                ignored.append(record[2:])
    return found, ignored


def _is_submodule(modes: Sequence[str]) -> bool:
    """Modes of HEAD, index and working tree: whether the index has one, or lost one."""
    head, index, _ = modes
    return SUBMODULE in (index, head if int(index, 8) == 0 else "")
