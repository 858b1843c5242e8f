"""Paths that nothing has: an answer about one would read as if there were no change."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from astro_mcp.nearest import nearest
from astro_mcp.workspace.git.escapes import in_one_line
from astro_mcp.workspace.git.objects import Item, held_at, items_of, shas_of
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import NEAR

TOLD: Final = 3
"""Paths that are told of."""
ASKED: Final = 200
"""Paths that are looked for."""
_WILD: Final = re.compile(r"[*?\[]")


async def absent(repository: Repository, paths: Sequence[str], commits: Sequence[str], *, tree: bool) -> str | None:
    """Which of `paths` none of these commits has, and what may be meant; with `tree` the working tree and the index
    count as well."""
    asked = [path for path in paths[:ASKED] if "\n" not in path]  # a question is a line
    found = await shas_of(repository, *(f"{commit}:{path}" for path in asked for commit in commits))
    many = len(commits)
    unknown = [path for number, path in enumerate(asked) if not any(found[number * many : (number + 1) * many])]
    told: list[str] = []
    for path in unknown:
        if len(told) < TOLD and (one := await _absent(repository, path, commits, tree=tree)):
            told.append(one)
    return "; ".join(told) or None


async def _absent(repository: Repository, path: str, commits: Sequence[str], *, tree: bool) -> str:
    name, where = in_one_line(path)[:200], " or ".join(sha[:12] for sha in commits)
    if await repository.blocking(lambda: os.path.lexists(repository.layout.worktree / path)):
        if not tree:
            is_submodule = any([(await held_at(repository, commit, path, 0))[0] for commit in commits])
            return "" if is_submodule else f"{name} is in the working tree, and not in {where}"
        tracked = (await repository.git("ls-files", "-z", "--", path, limit=1)).out
        return "" if tracked else f"{name} is not tracked: git_status lists it, unless it is ignored"
    is_wild = _WILD.search(path)
    near = await near_name(repository, commits[-1], path) if commits and not is_wild else None
    meant = ": paths are taken as they are, without wildcards" if is_wild else f": did you mean {near}?" if near else ""
    return f"nothing is named {name} in {f'{where} or ' if where else ''}the working tree{meant}"


async def near_name(repository: Repository, commit: str, path: str) -> str | None:
    """A path of the commit that is like this one, of the same folder."""
    folder, _, last = path.rpartition("/")
    item = (await held_at(repository, commit, folder, 0))[0] if folder else Item("", "folder", commit)
    items = await items_of(repository, item.sha) if item is not None and item.kind == "folder" else []
    names = [one.name for one in items[:NEAR]]
    near = await repository.apart(64 * len(names), lambda: nearest(last, names))
    return near and in_one_line(f"{folder}/{near}" if folder else near)
