"""The commits that calls made, by idempotency key: a call that is made again after a crash commits once."""

from __future__ import annotations

from typing import Final

from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import Clock
from astro_mcp.store.database import Database
from astro_mcp.workspace.git.repository import Repository

_NOTE: Final = """
INSERT INTO made_commit (tenant, scope, call_key, sha, created) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, scope, call_key) DO UPDATE SET sha = excluded.sha, created = excluded.created
"""
_FIND: Final = "SELECT sha FROM made_commit WHERE tenant = ? AND scope = ? AND call_key = ?"


class MadeCommits:
    """What a call is about to commit is noted before a branch moves, and whether it did is the repository's to say."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def note(self, scope: Scope, call_key: str, sha: str) -> None:
        """Returns when that is on disk."""
        row = (scope.tenant, scope.key, call_key, sha, self._clock.now())
        await self._database.write(lambda tx: tx.execute(_NOTE, row))

    async def found(self, scope: Scope, call_key: str | None, repository: Repository) -> str:
        """The commit of the call with that key where HEAD or a branch holds it; "" where none does."""
        if call_key is None:
            return ""
        key = (scope.tenant, scope.key, call_key)
        rows = await self._database.read(lambda tx: tx.rows(_FIND, key))
        sha = str(rows[0]["sha"]) if rows else ""
        return sha if sha and await _held(repository, sha) else ""


async def _held(repository: Repository, sha: str) -> bool:
    if sha == repository.refs.sha:
        return True
    if (await repository.git("cat-file", "-e", f"{sha}^{{commit}}", good=(0, 1, 128))).code:
        return False  # it was noted, and never came to be
    within = await repository.git("for-each-ref", "--count=1", "--contains", sha, "refs/heads")
    if within.out or not repository.refs.sha:
        return bool(within.out)
    return not (await repository.git("merge-base", "--is-ancestor", sha, repository.refs.sha, good=(0, 1))).code
