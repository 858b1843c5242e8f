"""One commit, a file as it was in it, and who wrote the file's lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import anyio

from astro_mcp.agents.git.absent import near_name
from astro_mcp.agents.git.differences import PATCH, between, difference, is_open, of_trees
from astro_mcp.agents.git.inputs import ShowInput
from astro_mcp.agents.git.outputs import BlameLine, DiffFile, DiffHunk, Shown
from astro_mcp.errors import AstroError, InvalidInput, NotFound, ProtectedPath, TooLarge, Unsupported
from astro_mcp.workspace.git.blamed import Early, asked_early, blamed
from astro_mcp.workspace.git.combined import parse_combined
from astro_mcp.workspace.git.escapes import in_one_line, shown
from astro_mcp.workspace.git.kept import Writer
from astro_mcp.workspace.git.objects import Item, held_at, items_of, missing, trees_of
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE, commit_of
from astro_mcp.workspace.git.waiting import TOLD
from astro_mcp.workspace.text import one_line

FILE: Final = 8 * 1024 * 1024
"""Bytes of a file that is shown."""
Held = tuple[Item | None, int, bytes]
"""What `held_at` tells."""


async def show(repository: Repository, args: ShowInput) -> Shown:
    """A commit, a file in it, or who wrote the file's lines."""
    sha = await commit_of(repository, args.ref)
    if args.path is None:
        if args.blame:
            raise InvalidInput("blame needs a path")
        return await _show_commit(repository, sha)
    path = repository.inside(args.path)
    top = Item("", "folder", sha), 0, b""
    held, early = await _held(repository, sha, path, args) if path else (top, None)
    item, size, data = held
    if item is None:
        raise NotFound(f"{one_line(path, 200)} is not in {sha[:12]}", await _near(repository, sha, path))
    if item.kind == "submodule":
        raise Unsupported(f"{one_line(path, 200)} is a submodule; those are not entered")
    if item.kind == "folder":
        items = await items_of(repository, item.sha)
        names = await repository.apart(64 * len(items), lambda: "\n".join(_name(path, one) for one in items))
        return Shown(sha=sha, path=shown(path), kind="folder", content=names)
    if not repository.readable(path):
        raise ProtectedPath(f"{one_line(path, 200)} is on the secrets list, in history too")
    if size > FILE:
        raise TooLarge(
            f"{one_line(path, 200)} holds {size:,} bytes; {FILE:,} are shown at most",
            "git_diff with two commits and this path tells what changed in it",
        )
    return await _show_file(repository, sha, path, item.kind, data, args, early)


async def _near(repository: Repository, sha: str, path: str) -> str:
    """Where to look for a file that is not in the commit."""
    near = await near_name(repository, sha, path)
    return f"did you mean {near}?" if near else "the path of a folder lists its names"


async def _held(repository: Repository, sha: str, path: str, args: ShowInput) -> tuple[Held, Early | None]:
    """What stands at the path; beside it a blame is begun, which takes longest."""
    if not args.blame or not args.end_line or args.end_line < args.start_line or not repository.readable(path):
        return await held_at(repository, sha, path, FILE), None
    early: list[Early | None] = [None]
    held: list[Held | AstroError] = []

    async def ask(start: int, end: int) -> None:
        early[0] = await asked_early(repository, sha, path, start, end)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, args.start_line, args.end_line)
        try:
            held.append(await held_at(repository, sha, path, FILE))
        except AstroError as error:
            held.append(error)
        if isinstance(held[0], AstroError) or not _is_text(*held[0]):
            tasks.cancel_scope.cancel()
    if isinstance(held[0], AstroError):
        raise held[0]
    return held[0], early[0]


def _is_text(item: Item | None, size: int, data: bytes) -> bool:
    """Whether it has lines that are shown."""
    return item is not None and size <= FILE and bool(data) and b"\0" not in data[:8000]


async def _show_commit(repository: Repository, sha: str) -> Shown:
    ran = await repository.ask(TOLD, sha, limit=PATCH)
    *head, change = ran.out.split(b"\0", 4)
    if len(head) < 4 and ran.cut:
        raise TooLarge(f"the message of {sha[:12]} has over {PATCH:,} bytes", "git_diff tells what the commit changed")
    if len(head) < 4:
        raise missing(sha)
    parents, author, date, message = (part.decode("utf-8", "replace") for part in head)
    change = change.removeprefix(b"\0").removeprefix(b"\n")
    if " " in parents:
        files, hunks, cut = await _of_merge(repository, parents.split(" ")[0], sha, change, cut=ran.cut)
    else:
        unknown = is_open(change, cut=ran.cut)
        trees = await trees_of(repository, parents or EMPTY_TREE, sha) if unknown else []
        files, hunks, cut = await of_trees(repository, change, trees, cut=ran.cut)
    return Shown(
        sha=sha,
        author=author,
        date=date,
        parents=parents.split(),
        message=message.strip(),
        files=files,
        hunks=hunks,
        truncated=cut,
    )


async def _of_merge(
    repository: Repository, parent: str, sha: str, change: bytes, *, cut: bool
) -> tuple[list[DiffFile], list[DiffHunk], bool]:
    """The files that differ from the first parent, and the hunks that are in none of the parents, as `git show` tells
    them; those of a file that has a name on the secrets list anywhere are left out."""
    sides = await between(repository, parent, sha)
    files, _, short = await difference(repository, sides, (), stat_only=True)
    hunks = await repository.blocking(lambda: parse_combined(change.partition(b"\0\0")[2], cut=cut))
    told = [
        DiffHunk(id=hunk.id, path=shown(hunk.path), text=hunk.text)
        for hunk in hunks
        if all(map(repository.readable, hunk.names))
    ]
    return files, told, cut or short


def _name(folder: str, one: Item) -> str:
    return in_one_line(f"{folder}/{one.name}" if folder else one.name) + ("/" if one.kind == "folder" else "")


async def _show_file(
    repository: Repository, sha: str, path: str, kind: str, data: bytes, args: ShowInput, early: Early | None
) -> Shown:
    base = {"sha": sha, "path": shown(path), "bytes": len(data)}
    if b"\0" in data[:8000]:
        return Shown.model_validate({**base, "kind": "binary"})
    lines = await repository.apart(len(data), lambda: data.decode("utf-8", "replace").split("\n"))
    total = len(lines) - (lines[-1] == "")
    if args.end_line and args.end_line < args.start_line:
        raise InvalidInput(f"end_line is {args.end_line}, and start_line {args.start_line}")
    end = min(args.end_line or total, total)
    if args.start_line > max(end, 1):
        raise InvalidInput(f"start_line is {args.start_line}; the file has {total} lines here")
    base |= {"kind": kind, "start_line": args.start_line, "total_lines": total}
    if args.blame and total:
        span = range(args.start_line, end + 1)
        wrote = await blamed(repository, sha, path, span, total, early)
        return await repository.apart(64 * len(span), partial(_blame, base, lines, span, wrote))
    # cut by lines only where that was asked for, so that a whole file keeps its last line's end
    whole = args.start_line == 1 and end == total
    content = "\n".join(lines if whole else lines[args.start_line - 1 : end])
    return Shown.model_validate({**base, "content": content})


def _blame(base: Mapping[str, object], lines: Sequence[str], span: range, wrote: Sequence[tuple[str, Writer]]) -> Shown:
    rows = [
        BlameLine(line=line, sha=by, author=writer.author, date=writer.date, text=lines[line - 1])
        for line, (by, writer) in zip(span, wrote, strict=True)
    ]
    return Shown.model_validate({**base, "lines": rows})
