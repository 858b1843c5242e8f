"""What would be lost with a linked worktree and no status tells of: git keeps the repositories of its submodules in the
worktree's own folder, and files in a submodule are in no commit of the repository around it."""

from __future__ import annotations

import os
from typing import Final

from astro_mcp.errors import Conflict, TooLarge
from astro_mcp.workspace.beneath import open_folder
from astro_mcp.workspace.executor import look
from astro_mcp.workspace.git.changed import SUBMODULE
from astro_mcp.workspace.git.layout import is_folder
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import one_line

_BY_HAND: Final = "save what is wanted of it; a person can take the folder away: git worktree remove --force"


async def check_submodules(tree: Repository) -> None:
    """Raise `Conflict` where a submodule holds something, or held something once; its empty folder is nothing."""
    await tree.trusted_index()
    ran = await tree.git("ls-files", "-s", "-z", limit=256 * 1024 * 1024)
    if ran.cut:
        raise TooLarge("the repository's index is too large")
    records = [record.partition("\t") for record in os.fsdecode(ran.out).split("\0")]
    places = {path: tree.place(path) for facts, _, path in records if facts.startswith(f"{SUBMODULE} ")}
    held = await tree.blocking(lambda: next((path for path, place in places.items() if _holds(place)), ""))
    if held:
        raise Conflict(f"the submodule {one_line(held)} in it is not empty", _BY_HAND)
    if await tree.blocking(lambda: is_folder(tree.layout.gitdir / "modules")):
        raise Conflict("it has repositories of submodules", _BY_HAND)


def _holds(place: Place) -> bool:
    """Whether anything is there but an empty folder."""
    kind = look(place)[0].kind
    if kind != "folder":
        return kind != "absent"
    with open_folder(place.root, place.parts, place.display) as descriptor:
        return bool(os.listdir(descriptor))
