"""One commit, a file as it was in it, and who wrote the file's lines."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from astro_mcp.agents.git.differences import difference, shown
from astro_mcp.agents.git.inputs import ShowInput
from astro_mcp.agents.git.outputs import BlameLine, Shown, ShownBlame, ShownCommit, ShownFile
from astro_mcp.errors import InvalidInput, NotFound, ProtectedPath, TooLarge, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE, commit_of

FILE: Final = 8 * 1024 * 1024
"""Bytes of a file that is shown."""


async def show(repository: Repository, args: ShowInput) -> Shown:
    """A commit, a file in it, or who wrote the file's lines."""
    sha = await commit_of(repository, args.ref)
    if args.path is None:
        if args.blame:
            raise InvalidInput("blame needs a path")
        return await _show_commit(repository, sha)
    item = await _item(repository, sha, repository.inside(args.path))
    if item.kind == "folder":
        return ShownFile(sha=sha, path=item.path, kind="folder", content="\n".join(await _names(repository, sha, item)))
    if not repository.readable(item.path):
        raise ProtectedPath(f"{printable(item.path, 200)} is on the secrets list, in history too")
    return await _show_file(repository, sha, item, args)


async def _show_commit(repository: Repository, sha: str) -> Shown:
    ran = await repository.git(
        "log", "-1", "--no-color", "--format=%P%x00%an <%ae>%x00%aI%x00%B", "--no-patch", "--end-of-options", sha, "--"
    )
    parents, author, date, message = ran.out.decode("utf-8", "replace").split("\0", 3)
    first = parents.split(" ")[0] or EMPTY_TREE
    files, hunks, cut = await difference(repository, [first, sha], [], stat_only=False)
    return ShownCommit(
        sha=sha,
        author=author,
        date=date,
        parents=parents.split(),
        message=message.strip(),
        files=files,
        hunks=hunks,
        truncated=cut,
    )


@dataclass(frozen=True, slots=True)
class _Item:
    """What stands at a path of a tree: `kind` is file, link or folder; `size` is in bytes."""

    path: str
    kind: str
    blob: str
    size: int


async def _item(repository: Repository, sha: str, path: str) -> _Item:
    if not path:
        return _Item("", "folder", "", 0)
    ran = await repository.git("ls-tree", "-z", "-l", "--full-tree", sha, "--", path)
    for row in os.fsdecode(ran.out).split("\0")[:-1]:
        facts, _, name = row.partition("\t")
        mode, kind, blob, size = facts.split()
        if name == path and kind == "commit":
            raise Unsupported(f"{printable(path, 200)} is a submodule; those are not entered")
        if name == path:
            kinds = {"040000": "folder", "120000": "link"}
            return _Item(path, kinds.get(mode, "file"), blob, int(size) if size.isdigit() else 0)
    raise NotFound(f"{printable(path, 200)} is not in {sha[:12]}")


async def _names(repository: Repository, sha: str, item: _Item) -> list[str]:
    below = [f"{item.path}/"] if item.path else []
    ran = await repository.git("ls-tree", "-z", "--full-tree", sha, "--", *below)
    rows = [row.partition("\t") for row in os.fsdecode(ran.out).split("\0")[:-1]]
    return [shown(name) + ("/" if " tree " in facts else "") for facts, _, name in rows]


async def _show_file(repository: Repository, sha: str, item: _Item, args: ShowInput) -> Shown:
    if item.size > FILE:
        raise TooLarge(f"{printable(item.path, 200)} holds {item.size:,} bytes; {FILE:,} are shown at most")
    data = (await repository.git("cat-file", "blob", item.blob, limit=FILE)).out
    base = {"sha": sha, "path": shown(item.path), "bytes": len(data)}
    if b"\0" in data[:8000]:
        return ShownFile.model_validate({**base, "kind": "binary"})
    lines = data.decode("utf-8", "replace").split("\n")
    total = len(lines) - (lines[-1] == "")
    end = min(args.end_line or total, total)
    if args.start_line > max(end, 1):
        raise InvalidInput(f"start_line is {args.start_line}; the file has {total} lines here")
    base |= {"kind": item.kind, "start_line": args.start_line, "total_lines": total}
    if args.blame and total:
        return ShownBlame.model_validate({**base, "lines": await _blame(repository, sha, item, args.start_line, end)})
    # cut by lines only where that was asked for, so that a whole file keeps its last line's end
    whole = args.start_line == 1 and end == total
    content = "\n".join(lines if whole else lines[args.start_line - 1 : end])
    return ShownFile.model_validate({**base, "content": content})


async def _blame(repository: Repository, sha: str, item: _Item, start: int, end: int) -> list[BlameLine]:
    """git-blame(1), porcelain format: a header for each line, facts once a commit, the line after a tab."""
    ran = await repository.git("blame", "--porcelain", f"-L{start},{end}", sha, "--", item.path)
    facts: dict[str, dict[str, str]] = {}
    found: list[BlameLine] = []
    current, number = "", 0
    for line in ran.out.decode("utf-8", "replace").split("\n"):
        if header := re.match(r"([0-9a-f]{40}) \d+ (\d+)", line):
            current, number = header[1], int(header[2])
            facts.setdefault(current, {})
        elif line.startswith("\t"):
            known = facts[current]
            found.append(BlameLine(line=number, sha=current, author=known["author"], date=known["date"], text=line[1:]))
        elif current:
            key, _, value = line.partition(" ")
            if key == "author":
                facts[current]["author"] = value
            elif key == "author-time":
                facts[current]["date"] = datetime.fromtimestamp(int(value), UTC).isoformat()
    return found
