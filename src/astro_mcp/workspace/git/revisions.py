"""Names of commits, as a caller says them, into full shas. Git is handed nothing but those shas."""

from __future__ import annotations

import re
from typing import Final

from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.nearest import nearest
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.repository import Repository

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_REVISION: Final = re.compile(r"[^-\x00-\x20\x7f:?*\[\\{}][^\x00-\x20\x7f:?*\[\\{}]{0,249}")


async def commit_of(repository: Repository, revision: str) -> str:
    """The sha of the commit that a branch, tag, sha or `HEAD~3` names.

    Ranges, searches (`:/text`) and paths (`ref:path`) are no revisions here. Raises `InvalidInput`, `NotFound`.
    """
    if not _REVISION.fullmatch(revision) or ".." in revision or "@{" in revision:
        raise InvalidInput(f"{printable(revision, 80)!r} can't name a commit", "a branch, a tag, a sha, or HEAD~2")
    if revision == "HEAD" and not repository.refs.sha:
        raise NotFound("this branch has no commit yet")
    ran = await repository.git(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", good=(0, 1, 128)
    )
    sha = ran.out.decode("ascii", "replace").strip()
    if ran.code != 0 or not re.fullmatch(r"[0-9a-f]{40}", sha):
        names = [name.split("/", 2)[2] for name in repository.refs.table if name.count("/") >= 2]
        near = nearest(revision, names)
        raise NotFound(f"no commit is named {printable(revision, 80)!r}", f"did you mean {near}?" if near else "")
    return sha
