"""What a merge would do, told."""

from __future__ import annotations

from astro_mcp.agents.git.differences import Sides, difference
from astro_mcp.agents.git.inputs import PreviewInput
from astro_mcp.agents.git.outputs import MergeConflict, MergePreview
from astro_mcp.workspace.git import merging
from astro_mcp.workspace.git.escapes import shown
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import commit_of


async def preview(repository: Repository, args: PreviewInput) -> MergePreview:
    """The conflicts, and every file that would change in `into`, with its line counts."""
    ours, theirs = await commit_of(repository, args.into), await commit_of(repository, args.from_)
    found = await merging.preview(repository, ours, theirs)
    files, _, cut = await difference(repository, Sides(("--end-of-options", ours, found.tree)), [], stat_only=True)
    conflicts = [
        MergeConflict(path=shown(item.path), kind=item.kind, hunks=list(item.hunks), withheld=item.withheld)
        for item in found.conflicts
    ]
    return MergePreview(
        outcome=found.kind,
        from_sha=theirs,
        into_sha=ours,
        files_changed=len(files),
        conflicts=conflicts,
        files=files,
        truncated=cut,
    )
