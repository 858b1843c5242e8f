"""The git tools."""

from __future__ import annotations

from typing import ClassVar

from astro_mcp.agents.git import differences, history, shows
from astro_mcp.agents.git.differences import shown
from astro_mcp.agents.git.inputs import BranchInput, CommitInput, DiffInput, LogInput, ShowInput, StatusInput
from astro_mcp.agents.git.outputs import (
    Branch,
    Committed,
    CommittedPath,
    Diff,
    FoundKey,
    Log,
    Shown,
    Status,
    StatusEntry,
)
from astro_mcp.config import GitSettings
from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Context
from astro_mcp.core.tool import tool
from astro_mcp.errors import AstroError, Problem, ProtectedPath
from astro_mcp.workspace.git import branches, commits
from astro_mcp.workspace.git.child import program
from astro_mcp.workspace.git.repository import Git, Repository
from astro_mcp.workspace.git.status import changes, tracking

CONTENT = {Label.PRIVATE, Label.UNTRUSTED}
LISTED = 2000
"""Paths of each kind that a status lists."""


class GitAgent(Agent):
    """Reads and writes repositories beneath the session's roots without ever loading their configuration."""

    name: ClassVar[str] = "git"
    title: ClassVar[str] = "Git"

    def __init__(self, git: Git, settings: GitSettings) -> None:
        self._git = git
        self._settings = settings

    async def open(self) -> None:
        await self._git.sweep()

    async def health(self) -> Health:
        try:
            return Health(ok=True, detail="git is there", facts={"program": program()})
        except AstroError as error:
            return Health(ok=False, detail=error.message, fix=error.hint)

    @tool(title="Git status", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_status(self, args: StatusInput, ctx: Context) -> Status:
        """Use before a commit, or to see what changed: the branch, how far it is from its upstream, and what is
        staged, unstaged, untracked or in conflict.

        Letters are git's own: M modified, A added, D deleted, R renamed, T another kind of file, U in conflict.
        Submodules are not entered. The upstream is as of the last fetch. Example: `git_status {}`.
        """
        async with self._git.open(ctx.session, args.repo) as repository:
            found = await changes(repository)
            upstream, ahead, behind = await tracking(repository)
            staged = [item for item in found if not item.conflicted and item.staged not in ".?"]
            unstaged = [item for item in found if not item.conflicted and item.unstaged not in ".?"]
            untracked = [shown(item.path) for item in found if item.untracked]
            return Status(
                branch=repository.refs.branch,
                sha=repository.refs.sha,
                upstream=upstream,
                ahead=ahead,
                behind=behind,
                staged=[_entry(item.path, item.staged, item.former) for item in staged[:LISTED]],
                unstaged=[_entry(item.path, item.unstaged, "") for item in unstaged[:LISTED]],
                conflicts=[_entry(item.path, "U", "") for item in found if item.conflicted][:LISTED],
                untracked=untracked[:LISTED],
                truncated=max(len(staged), len(unstaged), len(untracked)) > LISTED,
            )

    @tool(title="Git log", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_log(self, args: LogInput, ctx: Context) -> Log:
        """Use to find commits: who changed what and when, newest first, by path, author, message or date, each with
        the size of its change.

        At most 500 commits a call; `total` counts all that match. Author and message are searched as plain text,
        whatever the case. Example: `git_log {"path": "src/app.py", "since": "2 weeks ago"}`.
        """
        async with self._git.open(ctx.session, args.repo) as repository:
            return await history.log(repository, args)

    @tool(title="Git diff", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_diff(self, args: DiffInput, ctx: Context) -> Diff:
        """Use to review changes: what the working tree changes against HEAD, or what differs between two commits, as
        files with line counts and their hunks.

        `from=index` shows what is not staged, `to=index` what is. Untracked files are in no diff: git_status lists
        them. The text of files on the secrets list is withheld. A long hunk comes in several pieces.
        Example: `git_diff {"from": "main", "to": "HEAD", "stat_only": true}`.
        """
        async with self._git.open(ctx.session, args.repo) as repository:
            return await differences.diff(repository, args)

    @tool(title="Git show", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_show(self, args: ShowInput, ctx: Context) -> Shown:
        """Use to look at one commit; with path, at a file as it was in that commit; with blame, at who wrote each of
        its lines last.

        A merge is shown against its first parent. A folder lists its names. Files on the secrets list are withheld.
        Example: `git_show {"ref": "v1.2", "path": "src/app.py", "blame": true, "start_line": 10, "end_line": 20}`.
        """
        async with self._git.open(ctx.session, args.repo) as repository:
            return await shows.show(repository, args)

    @tool(title="Git commit", effects={Effect.WRITE}, labels=CONTENT, needs_root=True)
    async def git_commit(self, args: CommitInput, ctx: Context) -> Committed:
        """Use to commit files as they are in the working tree, without staging first: the named paths, or everything
        that changed. Refused where something looks like a key.

        What else is staged stays staged. Hooks don't run and nothing is signed; author and committer are the
        operator's settings `git.author_name` and `git.author_email`. Files that a filter would rewrite (LFS) are
        refused. `dry_run` lists files and keys. Example: `git_commit {"paths": ["src"], "message": "Fix login"}`.
        """
        async with self._git.open(ctx.session, args.repo) as repository:
            inside = [repository.inside(path) for path in args.paths]
            made = await commits.draft(repository, [] if "" in inside else inside)
            keys = [FoundKey(path=shown(key.path), line=key.line, kind=key.kind) for key in made.keys]
            sha = "" if args.dry_run else await self._commit(repository, made, args.message, keys)
            return Committed(
                sha=sha,
                branch=repository.refs.branch,
                files=[CommittedPath(path=shown(file.path), change=file.change) for file in made.files],
                secrets_found=keys,
                left_out=[shown(path) for path in made.left_out],
            )

    @tool(title="Git branch", effects={Effect.WRITE}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_branch(self, args: BranchInput, ctx: Context) -> Branch:
        """Use to make a branch, or to go on one: create makes it and leaves HEAD and files alone; switch moves HEAD,
        where the branch holds the same files as the current commit.

        Changes in the working tree stay as they are. A branch that is at that commit already is fine; one that is
        elsewhere is a conflict. Example: `git_branch {"action": "create", "name": "fix/login"}`.
        """
        async with self._git.open(ctx.session, args.repo) as repository:
            if args.action == "create":
                sha = await branches.create(repository, args.name, args.from_, self._settings)
            else:
                sha = await branches.switch(repository, args.name, self._settings)
            current = args.action == "switch" or repository.refs.branch == args.name
            return Branch(branch=args.name, sha=sha, path=str(repository.layout.worktree), current=current)

    async def _commit(self, repository: Repository, made: commits.Draft, message: str, keys: list[FoundKey]) -> str:
        if keys:
            raise ProtectedPath(
                f"{len(keys)} places look like keys; nothing was committed",
                "take them out of the files (a key that was shared is to be changed), or name other paths",
                problems=tuple(Problem(f"{key.path}:{key.line}", f"looks like a {key.kind}") for key in keys[:50]),
            )
        return await commits.commit(repository, made, message, self._settings)


def _entry(path: str, change: str, former: str) -> StatusEntry:
    return StatusEntry(path=shown(path), change=change, former=shown(former))
