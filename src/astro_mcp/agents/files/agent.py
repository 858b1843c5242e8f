"""The files agent: its tools and its resource."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from astro_mcp.agents.files.models import (
    ChangeOutput,
    DeleteInput,
    DeleteOutput,
    EditInput,
    ListInput,
    ListOutput,
    MoveInput,
    MoveOutput,
    ReadInput,
    ReadOutput,
    SearchInput,
    SearchOutput,
    UndoInput,
    WriteInput,
    WriteOutput,
)
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Label, Session
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.resource import Body, Resource
from astro_mcp.core.tool import tool

if TYPE_CHECKING:
    from astro_mcp.agents.files.work import FilesWork  # loaded after the start, or with the first call

REPOSITORY: Final = {Label.PRIVATE, Label.UNTRUSTED}


class FilesAgent(Agent):
    """Files of the workspace, within its guards."""

    name = "files"
    title = "Files"

    def __init__(self, work: Deferred[FilesWork]) -> None:
        self._work = work

    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource(
                uri="astro://files/{+path}",
                name="file",
                title="A workspace file",
                description="The content of a file in the workspace: text, an image, or a PDF.",
                mime="",
                read=self._resource,
                complete=self._complete,
                watch=self._watch,
            ),
        )

    @tool(title="Read files", effects={Effect.READ}, idempotent=True, timeout=60, labels=REPOSITORY, needs_root=True)
    async def fs_read(self, args: ReadInput, ctx: Context) -> ReadOutput:
        """Use to see what files hold: text in any encoding, images, PDFs as text. Gives each file's sha256 for
        if_match.

        With `paths` up to 50 files come at once, each under a line `==> path | facts <==`; one that can't be read says
        why there. `start_line` and `max_lines` take a part. Line ends are
        shown as line feeds; the file's own are told as eol. A page of a long file ends in a cursor.

        Example: {"path": "src/app.py", "start_line": 100, "max_lines": 60}
        """
        return await (await self._work.get()).read(args, ctx)

    @tool(title="List files", effects={Effect.READ}, idempotent=True, timeout=60, labels=REPOSITORY, needs_root=True)
    async def fs_list(self, args: ListInput, ctx: Context) -> ListOutput:
        """Use to find your way: what a folder holds, without what .gitignore hides. Big folders further down are only
        counted.

        `depth` defaults to 2; with a `glob`, to every level, and only files that fit are listed.
        `{a,b}` in a glob is either. With one of them and no path every root is gone through.

        Example: {"path": "src", "glob": "*.py"}
        """
        return await (await self._work.get()).listing(args, ctx)

    @tool(title="Search files", effects={Effect.READ}, idempotent=True, timeout=60, labels=REPOSITORY, needs_root=True)
    async def fs_search(self, args: SearchInput, ctx: Context) -> SearchOutput:
        """Use to find a text or a regular expression in the workspace's files, without ignored, binary and secret ones.

        One hit a line. The pattern is plain text unless `regex` is set; regular expressions are RE2's, ^ and $ fit at
        each line, and a match stays in its line unless the expression has \\n or (?s).

        Example: {"pattern": "def test_\\w+_fails", "regex": true, "glob": "tests/**/*.py", "context": 2}
        """
        return await (await self._work.get()).search(args, ctx)

    @tool(
        title="Write a file",
        effects={Effect.WRITE, Effect.DESTROY},
        effects_of=lambda args: frozenset({Effect.WRITE} if args.create_only else {Effect.WRITE, Effect.DESTROY}),
        least={Effect.WRITE},
        idempotent=True,
        takes_key=True,
        needs_root=True,
    )
    async def fs_write(self, args: WriteInput, ctx: Context) -> WriteOutput:
        """Use to create a file or replace all of it; fs_edit is better for a part. Folders are made. Undo with fs_undo.

        With `if_match`, the sha256 that fs_read told, it is sure that nobody changed the file meanwhile. A call whose
        content the file has already changes nothing and succeeds.

        Example: {"path": "docs/notes.md", "create_only": true, "content": "# Notes\\n"}
        """
        return await (await self._work.get()).write(args, ctx)

    @tool(
        title="Edit files",
        effects={Effect.READ, Effect.WRITE, Effect.DESTROY},
        effects_of=lambda args: frozenset({Effect.READ} if args.dry_run else Effect),
        least={Effect.READ},
        labels=REPOSITORY,
        takes_key=True,
        needs_root=True,
    )
    async def fs_edit(self, args: EditInput, ctx: Context) -> ChangeOutput:
        """Use to change parts of one or more files by exact replacement: all edits happen or none. An old
        text in several places is refused with the list of them.

        Encoding and line ends are kept. Edits of one file are done in order, each on the outcome of the one before.
        `dry_run` shows the diff only.

        Example: {"edits": [{"path": "app.py", "old": "timeout=5", "new": "timeout=30"}]}
        """
        return await (await self._work.get()).edit(args, ctx)

    @tool(title="Move a file", effects={Effect.WRITE, Effect.DESTROY}, takes_key=True, needs_root=True)
    async def fs_move(self, args: MoveInput, ctx: Context) -> MoveOutput:
        """Use to rename or move a file or a folder. Never overwrites; folders are made. Undo with fs_undo.

        Example: {"path": "src/old.py", "to": "src/new.py"}
        """
        return await (await self._work.get()).move(args, ctx)

    @tool(title="Delete a file", effects={Effect.WRITE, Effect.DESTROY}, takes_key=True, needs_root=True)
    async def fs_delete(self, args: DeleteInput, ctx: Context) -> DeleteOutput:
        """Use to delete a file or a folder with all in it. Undo with fs_undo.

        A link is deleted itself, not what it leads to. A folder may hold up to 2,000 entries and 64 MiB.

        Example: {"path": "build"}
        """
        return await (await self._work.get()).delete(args, ctx)

    @tool(
        title="Undo changes",
        effects={Effect.READ, Effect.WRITE, Effect.DESTROY},
        effects_of=lambda args: frozenset({Effect.READ} if args.dry_run else Effect),
        least={Effect.READ},
        labels=REPOSITORY,
        takes_key=True,
        needs_root=True,
    )
    async def fs_undo(self, args: UndoInput, ctx: Context) -> ChangeOutput:
        """Use to take back what fs_write, fs_edit, fs_move, fs_delete and others changed. Refused with conflict where a
        file changed since. Can itself be undone.

        `last` again and again goes back one change at a time; undoing an undo by its undo_id does the change again.

        Example: {"last": true, "dry_run": true}
        """
        return await (await self._work.get()).undo(args, ctx)

    async def _resource(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).resource(session, variables["path"])

    async def _watch(self, session: Session, variables: dict[str, str]) -> AsyncIterator[None]:
        return await (await self._work.get()).watching.changes(session, variables["path"])

    async def _complete(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).complete(session, prefix)
