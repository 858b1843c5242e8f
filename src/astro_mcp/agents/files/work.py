"""What the files tools and their resource do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel

from astro_mcp.agents.files import reading
from astro_mcp.agents.files.editing import Edited, edited
from astro_mcp.agents.files.listing import list_all, stamp
from astro_mcp.agents.files.models import (
    PATHS,
    ChangeOutput,
    DeleteInput,
    DeleteOutput,
    EditInput,
    FileDigest,
    FileFacts,
    ListInput,
    ListItem,
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
from astro_mcp.agents.files.reading import Content, Lines
from astro_mcp.agents.files.searching import search
from astro_mcp.core.authority import Session
from astro_mcp.core.call import Blob, Context
from astro_mcp.core.resource import Body
from astro_mcp.documents.pdf import pdf_text
from astro_mcp.errors import AstroError, Conflict, InvalidInput, NoRoot
from astro_mcp.workspace.changes import (
    Applied,
    Change,
    Changes,
    Delete,
    Done,
    Move,
    Undone,
    Write,
    maker,
)
from astro_mcp.workspace.counts import Counts
from astro_mcp.workspace.diff import Image, diff_images
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import one_line, utf8
from astro_mcp.workspace.watching import Watching
from astro_mcp.workspace.workspace import Workspace

IMAGES: Final = 700_000
"""Bytes of images attached to one result, as base64."""
PDFS: Final = 2
"""PDFs read at once: each may take a gibibyte."""
TRIES: Final = 8
"""How often an edit that was overtaken looks at the files again, while others of its kind wait."""
TOTAL: Final = 32 * 1024 * 1024
"""Characters of all files of one call."""


class FilesWork:
    """What the files tools do."""

    def __init__(self, workspace: Workspace, changes: Changes) -> None:
        self._workspace = workspace
        self._changes = changes
        self._counts = Counts()
        self.watching = Watching(workspace)
        self._pdfs = anyio.CapacityLimiter(PDFS)
        self._overtaken = anyio.Lock()

    async def read(self, args: ReadInput, ctx: Context) -> ReadOutput:
        lines = Lines(args.start_line, args.max_lines)
        if args.path is not None and args.paths is None:
            content = await self._content(ctx.session, args.path, lines)
            self._attach(ctx, [content])
            return _whole(content)
        if args.paths is None or args.path is not None or not 0 < len(args.paths) <= PATHS:
            raise InvalidInput(f"give either path, or paths with 1 to {PATHS} files")
        return await self._read_several(args.paths, lines, ctx)

    async def listing(self, args: ListInput, ctx: Context) -> ListOutput:
        if args.path is None and args == ListInput():
            return self._roots(ctx.session)
        places = self._places(args.path, ctx.session)
        return await self._workspace.at_length(lambda: list_all(places, args, self._counts), places[0].root)

    def _places(self, path: str | None, session: Session) -> list[Place]:
        """Where `path` leads; without one every root."""
        paths = [path] if path is not None else [str(root) for root in session.grant.roots] or ["."]
        return [self._workspace.locate(session, one) for one in paths]

    async def search(self, args: SearchInput, ctx: Context) -> SearchOutput:
        places = self._places(args.path, ctx.session)
        guard = self._workspace.read_guard
        return await self._workspace.at_length(lambda: search(places, args, guard), places[0].root)

    async def write(self, args: WriteInput, ctx: Context) -> WriteOutput:
        place = self._workspace.locate(ctx.session, args.path)
        content = utf8(args.content)
        applied = await self._once(ctx, Write(place, content, args.if_match, args.create_only))
        sha256 = hashlib.sha256(content).hexdigest()
        return WriteOutput(path=place.display, sha256=sha256, bytes=len(content), undo_id=applied.undo_id)

    async def edit(self, args: EditInput, ctx: Context) -> ChangeOutput:
        done = await self._changes.done(ctx.session, ctx.call.idempotency_key)
        if args.if_match is not None or args.dry_run or done:
            return await self._edit_once(args, ctx, done)
        with suppress(Conflict):
            return await self._edit_once(args, ctx, None)
        async with self._overtaken:  # hosts send several edits of one file at once: each is done on what the last left
            for _ in range(TRIES):
                with suppress(Conflict):
                    return await self._edit_once(args, ctx, None)
            return await self._edit_once(args, ctx, None)

    async def _edit_once(self, args: EditInput, ctx: Context, done: Done | None) -> ChangeOutput:
        """Raises `Conflict` where a file changed after it was read for this."""
        work = await self._edited(args, ctx.session, done.before if done else {})
        changes = [Write(file.place, file.after, if_match=file.sha256) for file in work]
        diff = await self._diff([Image(file.place.display, file.before, file.after) for file in work])
        if args.dry_run:
            files = await self._changes.preview(changes)
            return ChangeOutput(files=[FileDigest(path=file.path, sha256=file.sha256) for file in files], diff=diff)
        applied = done or await self._changes.apply(ctx.session, changes, by=maker(ctx))
        digests = [FileDigest(path=file.place.display, sha256=file.sha256_after) for file in work]
        return ChangeOutput(files=digests, undo_id=applied.undo_id or None, diff=diff)

    async def move(self, args: MoveInput, ctx: Context) -> MoveOutput:
        place = self._workspace.locate(ctx.session, args.path, final_link=True)
        to = self._target(ctx.session, place, args.to)
        applied = await self._once(ctx, Move(place, to, args.if_match))
        return MoveOutput(path=place.display, to=to.display, undo_id=applied.undo_id)

    async def delete(self, args: DeleteInput, ctx: Context) -> DeleteOutput:
        place = self._workspace.locate(ctx.session, args.path, final_link=True)
        applied = await self._once(ctx, Delete(place, args.if_match))
        return DeleteOutput(path=place.display, files=len(applied.files), undo_id=applied.undo_id)

    async def undo(self, args: UndoInput, ctx: Context) -> ChangeOutput:
        if sum((args.undo_id is not None, args.run_id is not None, args.last)) != 1:
            raise InvalidInput("give exactly one of undo_id, run_id and last")
        key = ctx.call.idempotency_key
        undone: Undone | Done | None = await self._changes.done(ctx.session, key)
        if undone is None:
            undone = await self._changes.undo(
                ctx.session, undo_id=args.undo_id, run_id=args.run_id, dry_run=args.dry_run, call_key=key
            )
        files = [FileDigest(path=file.path, sha256=file.sha256) for file in undone.files]
        return ChangeOutput(
            files=files, undo_id=undone.undo_id or None, diff=await self._diff(undone.images, undone.moved)
        )

    async def _once(self, ctx: Context, change: Change) -> Applied | Done:
        """Carry it out, or tell what this call did before its process died."""
        done = await self._changes.done(ctx.session, ctx.call.idempotency_key)
        return done or await self._changes.apply(ctx.session, [change], by=maker(ctx))

    async def _content(self, session: Session, path: str, lines: Lines) -> Content:
        content = reading.read_at_once(self._workspace, session, path, lines)
        if content is None:
            content = await self._workspace.quickly(partial(reading.read, self._workspace, session, path, lines))
        if content.kind != "pdf":
            return content
        async with self._pdfs:
            return await _with_text(content, lines)

    async def _read_several(self, paths: Sequence[str], lines: Lines, ctx: Context) -> ReadOutput:
        contents: list[Content] = []
        files: list[FileFacts] = []
        parts: list[str] = []
        for path in paths:
            await anyio.lowlevel.checkpoint()  # files in memory take turns with other calls
            try:
                content = await self._content(ctx.session, path, lines)
            except NoRoot:
                raise
            except AstroError as error:
                files.append(FileFacts(path=path, error=error.text()))
                parts.append(f"==> {one_line(path)} <==\n{error.text()}\n")
                continue
            contents.append(content)
            files.append(content.facts())
            parts.append(_part(content))
            if sum(map(len, parts)) > TOTAL:
                raise InvalidInput("the files are too long to be read at once", "read fewer of them")
        self._attach(ctx, contents)
        return ReadOutput(files=files, content="\n".join(parts))

    @staticmethod
    def _attach(ctx: Context, contents: Sequence[Content]) -> None:
        left = IMAGES
        for content in contents:
            size = (len(content.data) + 2) // 3 * 4
            if content.kind == "image" and size <= left:
                left -= size
                ctx.attach(Blob(content.data, content.mime))

    @staticmethod
    def _roots(session: Session) -> ListOutput:
        items = [
            ListItem(path=str(root), type="folder", mtime=stamp(root.stat().st_mtime))
            for root in session.grant.roots
            if root.is_dir()
        ]
        return ListOutput(items=items, total=len(items))

    def _target(self, session: Session, place: Place, to: str) -> Place:
        """Where `to` leads; what is relative stays in the root of what is moved."""
        if Path(to).is_absolute() or place.primary:
            return self._workspace.locate(session, to, final_link=True)
        return self._workspace.locate(session, str(place.root / to), final_link=True)

    async def _edited(self, args: EditInput, session: Session, before: Mapping[Place, bytes]) -> list[Edited]:
        by_place: dict[Place, list[tuple[int, str, str, int]]] = {}
        for number, edit in enumerate(args.edits, 1):
            place = self._workspace.locate(session, edit.path)
            by_place.setdefault(place, []).append((number, edit.old, edit.new, edit.count))
        if args.if_match is not None and len(by_place) > 1:
            raise InvalidInput("if_match is for edits in one file", "edit one file a call, or leave it out")
        work = partial(edited, self._workspace, by_place, args.if_match, before)
        return await self._workspace.quickly(work)

    async def _diff(self, images: Sequence[Image], moved: Sequence[tuple[str, str]] = ()) -> str:
        return await self._workspace.quickly(lambda: diff_images(images, moved))

    async def resource(self, session: Session, path: str) -> Body:
        content = await self._content(session, path, Lines())
        if content.kind == "image":
            return Body(content.mime, data=content.data)
        if content.kind == "binary":
            place = content.place
            return Body(content.mime, data=await self._workspace.read(place, reading.LARGEST))
        return Body("text/plain", text=content.text)

    async def complete(self, session: Session, prefix: str) -> list[str]:
        folder, _, start = prefix.rpartition("/")
        place = self._workspace.locate(session, folder or ".")
        args = ListInput(depth=1)
        try:
            found = await self._workspace.at_length(lambda: list_all([place], args, self._counts), place.root)
        except AstroError:
            return []
        names = [f"{item.path}/" if item.type == "folder" else item.path for item in found.items]
        return [name for name in names if name.rstrip("/").rpartition("/")[2].startswith(start)][:100]


async def _with_text(content: Content, lines: Lines) -> Content:
    text, note = await pdf_text(content.data, content.place.display)
    shown, part = reading.cut(text, lines)
    notes = "; ".join(filter(None, (note, part)))
    return Content(content.place, "pdf", content.size, content.sha256, text=shown, note=notes, mime="text/plain")


def _whole(content: Content) -> ReadOutput:
    return ReadOutput(
        path=content.place.display,
        kind=content.kind,
        bytes=content.size,
        encoding=content.encoding,
        eol=content.eol,
        total_lines=content.total_lines,
        sha256=content.sha256,
        note=content.note,
        content=content.text,
    )


def _part(content: Content) -> str:
    facts = [one_line(content.place.display), content.note, content.encoding, content.eol, f"sha256 {content.sha256}"]
    head = " | ".join(fact for fact in facts if fact)
    end = "" if content.text.endswith("\n") or not content.text else "\n"
    return f"==> {head} <==\n{content.text}{end}"
