"""The copy that linters read to see what was there before: the tree of a commit, under the settings of now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from astro_mcp.agents.lint.copies import BYTES, FILES
from astro_mcp.agents.lint.sources import OURS, Sources, named
from astro_mcp.core.authority import Session
from astro_mcp.errors import InvalidInput
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile, beside
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.revisions import commit_of
from astro_mcp.workspace.git.trees import files_of
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace


async def at_ref(
    git: Git, workspace: Workspace, session: Session, ref: str, sources: Sources, linters: Sequence[Linter]
) -> Sources:
    """What `sources` hold, as it was at `ref`. The settings of `linters` are those of `sources`: a rule that was
    switched on since is no news of the code. Raises what opening a repository and finding a commit raise, and
    `InvalidInput` for places of several repositories."""
    top = await workspace.quickly(lambda: top_of(sources.places))
    lead = f"{top.relative}/" if top.relative else ""
    paths = [place.relative.removeprefix(lead) if place != top else "" for place in sources.places]
    known = {file.path.removeprefix(lead): file.data for file in sources.files if file.path.startswith(lead)}
    async with git.open(session, str(top.path)) as repository:
        commit = await commit_of(repository, ref)
        asked = [] if "" in paths or any(linter.imports for linter in linters) else paths
        found = await files_of(repository, commit, asked, known=known, max_files=FILES, max_bytes=BYTES)
    settings = [name for linter in linters for name in (*linter.config, *linter.sections)]
    old = [SandboxFile(lead + file.path, file.data, file.executable) for file in found]
    kept = [file for file in old if not named(file.path, settings)]
    kept += [file for file in sources.files if named(file.path, settings)]
    files, odd = beside(kept, OURS)
    places = tuple(place for place in sources.places if _is_there(place, files))
    return replace(sources, places=places, files=files, withheld=odd, before=True)


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


def _is_there(place: Place, files: Sequence[SandboxFile]) -> bool:
    return not place.relative or any(
        file.path == place.relative or file.path.startswith(f"{place.relative}/") for file in files
    )
