"""The tools: git_fetch, git_push and git_clone."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

from astro_mcp.agents.git_remote.models import Cloned, CloneInput, Fetched, FetchInput, Pushed, PushInput
from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.tool import later, tool

if TYPE_CHECKING:
    from astro_mcp.agents.git_remote.work import RemoteWork  # loaded after the start, or with the first call

LONGEST = 960.0
"""Seconds: beyond the longest that `git.remote.timeout_seconds` may be."""
_tool = functools.partial(
    tool,
    effects={Effect.WRITE, Effect.NETWORK},
    labels={Label.PRIVATE, Label.UNTRUSTED},
    needs_root=True,
    timeout=LONGEST,
    leaves=later,
)

OFF = dict.fromkeys(
    ("git_fetch", "git_push", "git_clone"),
    'the operator names hosts in config.toml: [git.remote] hosts = ["github.com"]',
)
"""What is told of them where no host is named."""


class GitRemoteAgent(Agent):
    """Repositories of other machines, at the hosts of `[git.remote]`."""

    name: ClassVar[str] = "git_remote"
    title: ClassVar[str] = "Git remotes"

    def __init__(self, work: Deferred[RemoteWork]) -> None:
        self._work = work

    @_tool(title="Git fetch", idempotent=True)
    async def git_fetch(self, args: FetchInput, ctx: Context) -> Fetched:
        """Use to get a remote's branches into `refs/remotes/…`; branches and files of yours stay. Then git_merge
        origin/main.

        Https alone, at hosts of the operator's `[git.remote] hosts`; a redirect is not followed. What the repository's
        configuration says beyond a remote's url is not used: no helper, no ssh, no `insteadOf`. A branch that was
        rewritten there moves by force, and leaves a recovery_ref that git_undo takes. A tag that is here stays, and a
        branch that is gone there stays, too. Submodules and LFS are not fetched; partial clones are not known.
        Example: `git_fetch {"branch": "main"}`.
        """
        return await (await self._work.get()).fetch(args, ctx)

    @_tool(title="Git push", idempotent=True)
    async def git_push(self, args: PushInput, ctx: Context) -> Pushed:
        """Use to push one branch to a remote of the repository, under the same name. Never by force, and refused where
        a commit holds what looks like a key.

        Every commit that the host does not have is looked through, files and messages, and files on the secrets list
        are not pushed either. A host whose branch has commits that are not here is a conflict: git_fetch, git_merge,
        and push again. Hooks (pre-push) don't run. Nothing is deleted, and no tags are pushed. The token is the
        operator's (`[git.remote.tokens]`). Example: `git_push {"branch": "fix/login"}`.
        """
        return await (await self._work.get()).push(args, ctx)

    @_tool(title="Git clone")
    async def git_clone(self, args: CloneInput, ctx: Context) -> Cloned:
        """Use to clone a repository into a new folder beneath a root.

        All branches and tags, or the one branch that is named; the clone is there as a whole or not at all. Files that
        make a host run something (CLAUDE.md, .vscode, package.json with scripts, workflows of CI …) are not written,
        nor links that lead out of the clone: `left_out` says which, and a person brings them with
        `git sparse-checkout disable`. Files of LFS stay pointers; submodules stay empty.
        Example: `git_clone {"url": "https://github.com/owner/name.git", "path": "name"}`.
        """
        return await (await self._work.get()).clone(args, ctx)

    async def health(self) -> Health:
        return await (await self._work.get()).health()
