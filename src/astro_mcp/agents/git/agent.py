"""The git tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from astro_mcp.agents.git.inputs import (
    BranchInput,
    CommitInput,
    DiffInput,
    LogInput,
    MergeInput,
    PreviewInput,
    ShowInput,
    StatusInput,
    UndoInput,
)
from astro_mcp.agents.git.outputs import (
    Branch,
    Committed,
    Diff,
    Log,
    Merged,
    MergePreview,
    Shown,
    Status,
    Undone,
)
from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Label, Session
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.resource import Completer
from astro_mcp.core.tool import tool

if TYPE_CHECKING:
    from astro_mcp.agents.git.work import GitWork  # loaded after the start, or with the first call

CONTENT = {Label.PRIVATE, Label.UNTRUSTED}


class GitAgent(Agent):
    """Reads and writes repositories beneath the session's roots without ever loading their configuration."""

    name: ClassVar[str] = "git"
    title: ClassVar[str] = "Git"

    def __init__(self, work: Deferred[GitWork]) -> None:
        self._work = work

    def completers(self) -> Mapping[str, Completer]:
        return {"refs": self._complete_ref}

    @tool(title="Git status", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_status(self, args: StatusInput, ctx: Context) -> Status:
        """Use to see what changed: the branch, how far it is from its upstream, what is staged, unstaged, untracked
        or in conflict.

        Letters are git's own: M modified, A added, D deleted, R renamed, T another kind of file, U in conflict.
        Submodules are not entered: which commit is staged or checked out is told, other changes are not. The
        upstream is as of the last fetch. Example: `git_status {}`.
        """
        return await (await self._work.get()).status(args, ctx)

    @tool(title="Git log", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_log(self, args: LogInput, ctx: Context) -> Log:
        """Use to find commits by path, author, message or date, newest first, each with its size.

        A size is that of a commit's change. At most `limit` commits a call; `total` counts all that match where that is
        soon done, and `skip` passes the newest. Author and message are searched as plain text, whatever the case.
        `main..fix` are the commits of fix that main does not have.
        Example: `git_log {"path": "src/app.py", "since": "2 weeks ago"}`.
        """
        return await (await self._work.get()).log(args, ctx)

    @tool(title="Git diff", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_diff(self, args: DiffInput, ctx: Context) -> Diff:
        """Use to review what the working tree changes, or what differs between two commits: files with line counts
        and hunks.

        `from=index` shows what is not staged, `to=index` what is. Untracked files are in no diff: git_status lists
        them. The text of files on the secrets list is withheld. A long hunk comes in several pieces.
        In the text a hunk's id stands in brackets before its `@@`.
        Example: `git_diff {"from": "main", "to": "HEAD", "stat_only": true}`.
        """
        return await (await self._work.get()).diff(args, ctx)

    @tool(title="Git show", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_show(self, args: ShowInput, ctx: Context) -> Shown:
        """Use to look at one commit; with path, at a file as it was then; with blame, at who wrote its lines.

        A merge: files against its first parent, hunks that no parent has. A folder lists names. Secrets are withheld.
        Example: `git_show {"ref": "v1.2", "path": "src/app.py", "blame": true, "start_line": 10, "end_line": 20}`.
        """
        return await (await self._work.get()).show(args, ctx)

    @tool(title="Git commit", effects={Effect.WRITE}, takes_key=True, labels=CONTENT, needs_root=True)
    async def git_commit(self, args: CommitInput, ctx: Context) -> Committed:
        """Use to commit files as they are, without staging. Refused where something looks like a key.

        What else is staged stays staged. `hunk_ids` are those that git_diff gives without from and to: exactly these
        are committed, and the files stay as they are; an id outlives commits of other hunks, and one that no hunk has
        any more is a conflict. Untracked files have no hunks: name their paths. A file's mode comes with its last hunk.
        Hooks don't run; author, committer and signature are the operator's settings (`git.author_name` and so on).
        Files that a filter would rewrite (LFS) are refused. `dry_run` lists files and keys.
        Example: `git_commit {"paths": ["src"], "message": "Fix login"}`.
        """
        return await (await self._work.get()).commit(args, ctx)

    @tool(title="Git branch", effects={Effect.WRITE}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_branch(self, args: BranchInput, ctx: Context) -> Branch:
        """Use to make a branch, or to switch to one: files that differ are rewritten, unless changes would be lost.
        `worktree` gives a branch a folder of its own; `close` takes that away.

        Making one leaves HEAD and files alone, and a switch the local changes of other files. A branch that is at that
        commit already is fine; one that is elsewhere is a conflict. A switch is refused as git refuses it, path by
        path; ignored files are not overwritten either. Files that make a host run something are not rewritten here, nor
        those on the secrets list or of a filter (LFS): then a person switches. `recovery_ref` takes a switch back.
        A worktree lies below `.astro-mcp/trees`, on a branch that is made at `from` where there is none: name its
        `path` as `repo`, and files in it by it. It is closed only where all of it is committed; the branch stays.
        Example: `git_branch {"action": "create", "name": "fix/login"}`.
        """
        return await (await self._work.get()).branch(args, ctx)

    @tool(title="Git merge preview", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def git_merge_preview(self, args: PreviewInput, ctx: Context) -> MergePreview:
        """Use before git_merge: what a merge would change, and the conflicts with their places.

        Git's own strategy decides, on commits alone: what is not committed plays no part. Merge drivers and recorded
        resolutions are not used; the attributes `merge=union`, `merge=binary` and `-merge` are. In a place, what stands
        first is of `into`. Example: `git_merge_preview {"from": "fix/login", "into": "main"}`.
        """
        return await (await self._work.get()).merge_preview(args, ctx)

    @tool(title="Git merge", effects={Effect.WRITE, Effect.DESTROY}, labels=CONTENT, needs_root=True)
    async def git_merge(self, args: MergeInput, ctx: Context) -> Merged:
        """Use to merge into a branch. With conflicts nothing is done.

        A fast-forward where that is possible. Where `into` is checked out its files are rewritten as by a switch, with
        the same refusals: local changes of other files stay. `recovery_ref` takes all of it back with git_undo. Hooks
        don't run. Example: `git_merge {"from": "fix/login"}`.
        """
        return await (await self._work.get()).merge(args, ctx)

    @tool(title="Undo in git", effects={Effect.WRITE, Effect.DESTROY}, labels=CONTENT, needs_root=True)
    async def git_undo(self, args: UndoInput, ctx: Context) -> Undone:
        """Use to take back a merge, a switch or an undo, files and all, by the recovery_ref that it told.

        Refused with conflict where HEAD or the branch moved since, or where local changes would be lost. It leaves a
        recovery_ref itself, so it can be undone. 50 are kept, for 30 days; `git log refs/astro/recovery/…` shows one.
        Example: `git_undo {"recovery_ref": "refs/astro/recovery/20260131T120000Z-0123abcd"}`.
        """
        return await (await self._work.get()).undo(args, ctx)

    async def health(self) -> Health:
        return await (await self._work.get()).health()

    async def _complete_ref(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).complete_ref(session, prefix)
