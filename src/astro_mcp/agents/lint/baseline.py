"""The copy that linters read to see what was there before: the tree of a commit, under the settings of now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from astro_mcp.agents.lint.copies import BYTES, FILES
from astro_mcp.agents.lint.sources import OURS, Sources, named
from astro_mcp.core.authority import Session
from astro_mcp.errors import InvalidInput
from astro_mcp.observe.printable import printable
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile, beside
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.revisions import commit_of
from astro_mcp.workspace.git.trees import files_of, names_of
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

GONE: Final = 500
"""Files of the commit that are gone, and are looked at beside what was asked for: their code may have moved there."""


async def at_ref(
    git: Git, workspace: Workspace, session: Session, ref: str, sources: Sources, linters: Sequence[Linter]
) -> Sources:
    """What `sources` hold, as it was at `ref`. The settings of `linters` are those of `sources`: a rule that was
    switched on since is no news of the code. Files that are gone come along with the paths that were asked for: one of
    these may be what one of them became. What lies in a submodule is as it is now, and told as `withheld`: no tree of
    the commit has it. Raises what opening a repository and finding a commit raise, and `InvalidInput` for places of
    several repositories."""
    top = await workspace.quickly(lambda: top_of(sources.places))
    lead = f"{top.relative}/" if top.relative else ""
    paths = [place.relative.removeprefix(lead) if place != top else "" for place in sources.places]
    known = {file.path.removeprefix(lead): file.data for file in sources.files if file.path.startswith(lead)}
    async with git.open(session, str(top.path)) as repository:
        commit = await commit_of(repository, ref)
        names, submodules = await names_of(repository, commit)
        kinds = [glob for linter in linters for glob in linter.detect]
        gone = [] if "" in paths else await workspace.quickly(lambda: _gone(top, names, paths, kinds))
        asked = [] if "" in paths or any(linter.imports for linter in linters) else [*paths, *gone]
        found = await files_of(repository, commit, asked, known=known, max_files=FILES, max_bytes=BYTES)
    settings = [name for linter in linters for name in (*linter.config, *linter.sections)]
    old = [SandboxFile(lead + file.path, file.data, file.executable) for file in found]
    kept = [file for file in old if not named(file.path, settings) and file.path not in sources.extended]
    kept += [file for file in sources.files if named(file.path, settings) or file.path in sources.extended]
    inner = await workspace.quickly(lambda: _within(sources.files, lead, frozenset(submodules)))
    there = {file.path for file in kept}
    kept += [file for own in inner.values() for file in own if file.path not in there]
    kept += [file for file in sources.files if file.path in sources.stand_ins and file.path not in there]
    files, odd = beside(kept, OURS)
    former = (top.at(lead + path) for path in gone)
    places = tuple(place for place in (*sources.places, *former) if _is_there(place, files))
    untold = [f"{printable(lead + path, 200)} (a submodule: what is new in it is not told)" for path in sorted(inner)]
    return replace(sources, places=places, files=files, withheld=(*odd, *untold), before=True)


def top_of(places: Sequence[Place]) -> Place:
    """The repository that all `places` lie in: the nearest folder at or above them with a `.git`, else the root.
    Blocks. Raises `InvalidInput` where they lie in several."""
    tops = {_top(place) for place in places}
    if len(tops) > 1:
        raise InvalidInput("the paths lie in different repositories", "name paths of one repository at a time")
    return tops.pop()


def _top(place: Place) -> Place:
    for depth in range(len(place.parts), 0, -1):
        above = place.at("/".join(place.parts[:depth]))
        if os.path.lexists(above.path / ".git"):
            return above
    return place.at("")


def _gone(top: Place, names: Sequence[str], paths: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Files of these `kinds` that are no more, without those below `paths`, which come along anyway. Blocks."""
    below = tuple(f"{path}/" for path in paths)
    fitting = (path for path in names if named(path, kinds) and not path.startswith(below))
    return list(islice((path for path in fitting if not os.path.lexists(top.path / path)), GONE))


def _within(files: Sequence[SandboxFile], lead: str, submodules: frozenset[str]) -> dict[str, list[SandboxFile]]:
    """Those of `files` that lie in one of `submodules`, by its path."""
    found: dict[str, list[SandboxFile]] = {}
    for file in files if submodules else ():
        parts = file.path.removeprefix(lead).split("/")
        folders = ("/".join(parts[:count]) for count in range(1, len(parts)))
        if file.path.startswith(lead) and (own := next((path for path in folders if path in submodules), "")):
            found.setdefault(own, []).append(file)
    return found


def _is_there(place: Place, files: Sequence[SandboxFile]) -> bool:
    return not place.relative or any(
        file.path == place.relative or file.path.startswith(f"{place.relative}/") for file in files
    )
