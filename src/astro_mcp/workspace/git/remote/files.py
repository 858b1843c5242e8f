"""The files of a clone, as a stranger brings them: what the write guard would refuse one by one is left out.

A path that is left out stays in the index, marked as not in the working tree (git-sparse-checkout(1)), so that it does
not count as deleted, and that one command of a person's brings all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from astro_mcp.errors import Denied, LimitHit, PathDenied
from astro_mcp.workspace.git.commits import blobs
from astro_mcp.workspace.git.locks import fill, settle
from astro_mcp.workspace.git.repository import Repository, hostile
from astro_mcp.workspace.git_parts import completing
from astro_mcp.workspace.guards import check_write
from astro_mcp.workspace.package_scripts import check_scripts, is_package_file
from astro_mcp.workspace.place import Place

FILES: Final = 200_000
LISTED: Final = 32 << 20
"""Bytes of the list of files."""
READ: Final = 1 << 20
"""Bytes of a package file that is read."""
TOGETHER: Final = 64
"""Files read by one git: each is below `READ`, and a link is shorter than a path may be."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A path of the commit; `size` is 0 for a submodule."""

    path: str
    mode: str
    sha: str
    size: int

    @property
    def link(self) -> bool:
        return self.mode == "120000"


async def check_out(tree: Repository, sha: str, target: Place, most: int, seconds: float) -> tuple[int, dict[str, str]]:
    """Write the files of the commit `sha` and the index that goes with them; `target` is where all of it will be, and
    `most` in bytes. Returns how many were written, and those that were left out with the reason.

    Raises `LimitHit`, and `PathDenied` for a path that leaves the tree or enters `.git`.
    """
    items = await _items(tree, sha, most)
    texts = await _texts(tree, items)
    left = await tree.blocking(partial(_left_out, items, texts, target))
    index = tree.private.index
    await tree.git("read-tree", sha, index=index)
    await tree.check_index(index)
    names = b"".join(os.fsencode(item.path) + b"\0" for item in items if item.path not in left)
    options = ("-z", "--stdin", "--index", "--quiet")
    await tree.git("checkout-index", *options, stdin=names, index=index, seconds=seconds)
    names = b"".join(os.fsencode(path) + b"\0" for path in left)
    await tree.git("update-index", "--skip-worktree", "-z", "--stdin", stdin=names, index=index)

    def settle_index() -> None:
        with tree.locks.hold(tree.layout.gitdir / "index") as lock:
            fill(lock, index.read_bytes())
            settle(lock)

    await tree.blocking(settle_index)
    return len(items) - len(left), left


async def _items(tree: Repository, sha: str, most: int) -> list[_Item]:
    ran = await tree.git("ls-tree", "-r", "-l", "-z", "--full-tree", sha, limit=LISTED)
    if ran.cut or ran.out.count(b"\0") > FILES:
        raise LimitHit(f"the commit has more than {FILES:,} files", "a person can clone it with git itself")
    return await tree.blocking(partial(_parsed, ran.out, most))


def _parsed(out: bytes, most: int) -> list[_Item]:
    rows = [row.partition(b"\t") for row in out.split(b"\0") if row]
    if hostile(b"".join(row[2] + b"\0" for row in rows)):
        raise PathDenied("the commit names a path outside of its working tree, or one in .git")
    items = []
    for head, _, path in rows:
        mode, kind, blob, size = head.decode().split()
        items.append(_Item(os.fsdecode(path), mode, blob, int(size) if kind == "blob" else 0))
    if sum(item.size for item in items) > most:
        hint = "git.remote.transfer_mb in config.toml is the operator's bound"
        raise LimitHit(f"the files hold more than {most >> 20:,} MiB", hint)
    return items


async def _texts(tree: Repository, items: Sequence[_Item]) -> dict[str, bytes]:
    """The bytes of links and package files, by their sha."""
    wanted = [item for item in items if item.link or is_package_file(item.path.rpartition("/")[2])]
    shas = sorted({item.sha for item in wanted if 0 < item.size <= READ})
    found: dict[str, bytes] = {}
    for at in range(0, len(shas), TOGETHER):
        found |= await blobs(tree, shas[at : at + TOGETHER])
    return found


def _left_out(items: Sequence[_Item], texts: Mapping[str, bytes], target: Place) -> dict[str, str]:
    left = dict.fromkeys(completing(item.path for item in items), "would make a folder that git takes for its own")
    for item in items:
        for check in (_guarded, _scripts, _leads_out):
            if item.path not in left and (reason := check(item, texts, target)):
                left[item.path] = reason
    return left


def _guarded(item: _Item, texts: Mapping[str, bytes], target: Place) -> str:
    return _refusal(lambda: check_write(f"{target.relative}/{item.path}", item.path))


def _scripts(item: _Item, texts: Mapping[str, bytes], target: Place) -> str:
    name = item.path.rpartition("/")[2]
    if item.link or not item.size or not is_package_file(name):
        return ""
    if item.size > READ:
        return f"{item.path} is too large for a package file"
    return _refusal(lambda: check_scripts(name, None, texts[item.sha], item.path))


def _leads_out(item: _Item, texts: Mapping[str, bytes], target: Place) -> str:
    """A link stays within where it goes up first, no further than the top, and then only down: what it meets on the way
    down is a link of this commit, or none."""
    if not item.link:
        return ""
    parts = [part for part in texts.get(item.sha, b"/").split(b"/") if part != b"."]
    ups = next((at for at, part in enumerate(parts) if part != b".."), len(parts))
    stays = parts[:1] != [b""] and ups <= item.path.count("/") and b".." not in parts[ups:]
    return "" if stays else f"{item.path} is a link that leads out of the clone"


def _refusal(check: Callable[[], None]) -> str:
    try:
        check()
    except Denied as error:
        return error.message
    return ""
