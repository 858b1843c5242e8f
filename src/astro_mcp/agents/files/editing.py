"""Edits of several files, worked out before any is written. Blocks: for worker threads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from astro_mcp.agents.files.edits import Editable, Replacement
from astro_mcp.errors import Conflict, InvalidInput
from astro_mcp.workspace.executor import LARGEST
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import decode
from astro_mcp.workspace.workspace import Workspace

Numbered = tuple[int, str, str, int]
"""An edit's number in the call, its old and new text, and its count."""


@dataclass(frozen=True, slots=True)
class Edited:
    """One file: its bytes as read, their sha256, and its bytes as they shall be."""

    place: Place
    before: bytes
    sha256: str
    after: bytes

    @property
    def sha256_after(self) -> str:
        return hashlib.sha256(self.after).hexdigest()


def edited(
    workspace: Workspace,
    edits: Mapping[Place, Sequence[Numbered]],
    if_match: str | None,
    former: Mapping[Place, bytes],
) -> list[Edited]:
    """Read each file that has no `former` bytes, and do its edits in order. Raises what reading raises, `Conflict`,
    `InvalidInput`, `Ambiguous`."""
    return [_one(workspace, place, todo, if_match, former.get(place)) for place, todo in edits.items()]


def _one(
    workspace: Workspace, place: Place, todo: Sequence[Numbered], if_match: str | None, former: bytes | None
) -> Edited:
    before = workspace.read_now(place, LARGEST) if former is None else former
    sha256 = hashlib.sha256(before).hexdigest()
    if if_match is not None and sha256 != if_match.lower():
        raise Conflict(f"{place.display} changed: its sha256 is {sha256}", "read it again, then repeat")
    found = decode(before)
    if found is None:
        raise InvalidInput(f"{place.display} is no text", "fs_write replaces it")
    text = Editable(found.raw, found.eol, place.display)
    for number, old, new, count in todo:
        text.replace(Replacement(old, new, count), number)
    after = found.encode(text.raw, place.display)
    return Edited(place, before, sha256, after)
