"""HEAD and refs, read without git: from `packed-refs` and the files beneath `refs/`, never through a link."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from astro_mcp.errors import PathDenied, TooLarge, Unsupported
from astro_mcp.workspace.git.layout import Layout, entries_of, small

SHA: Final = re.compile(r"[0-9a-f]{40}")
MOST: Final = 200_000
"""Files and folders beneath `refs/`."""
PACKED: Final = 64 * 1024 * 1024
REMEMBERED: Final = 1024 * 1024
"""Bytes of `packed-refs` that are not gone through again while they are the same."""
DEEP: Final = 5
"""Refs that name one another, as git follows them."""
_OWN: Final = re.compile(rb"([0-9a-f]{40})(?=\s|\Z)")
_BRANCHES: Final = "refs/heads/"
_BAD: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.(?=/|\Z)|\.lock(?=/|\Z)|\A[./-]|/\Z")


@dataclass(frozen=True, slots=True)
class Refs:
    """`head` is a full ref name, or a sha where HEAD is detached; `table` is ref name -> sha."""

    head: str
    table: dict[str, str]

    @property
    def branch(self) -> str:
        """The branch that HEAD is on, or "" where it is detached."""
        return self.head.removeprefix("refs/heads/") if self.head.startswith("refs/heads/") else ""

    @property
    def sha(self) -> str:
        """The commit that HEAD is at, or "" on a branch that has none yet."""
        return self.head if SHA.fullmatch(self.head) else self.table.get(self.head, "")


def valid_ref(name: str) -> bool:
    """Whether `name` may be a ref: git-check-ref-format(1), and at most 250 bytes."""
    return bool(name) and len(os.fsencode(name)) <= 250 and name != "@" and not _BAD.search(name)


def read_refs(layout: Layout) -> Refs:
    """All refs; raises `PathDenied` for a link, `Unsupported` for shas of another length or a HEAD that names none."""
    loose = _loose(layout.common)  # first: a ref that is packed meanwhile is in the packed ones then
    table = _packed(layout.common)
    symbolic: dict[str, str] = {}
    for name, value in loose:
        if value.startswith("ref: "):
            symbolic[name] = value.removeprefix("ref: ").strip()
        elif SHA.fullmatch(value):
            table[name] = value
        elif re.fullmatch(r"[0-9a-f]{64}", value):
            raise Unsupported("repositories of sha256 objects are not supported")
    table.update({name: table[target] for name, target in symbolic.items() if target in table})
    return Refs(read_head(layout), table)


def read_head(layout: Layout) -> str:
    """A full ref name or a sha; of a branch that is a symbolic ref, the branch that it stands for."""
    text = (small(f"{layout.gitdir}/HEAD") or b"").decode("utf-8", "replace").strip()
    if SHA.fullmatch(text):
        return text
    name = text.removeprefix("ref:").strip()
    if not text.startswith("ref:") or not name.startswith("refs/") or not valid_ref(name):
        raise Unsupported("HEAD of this repository names no branch and no commit")
    return followed(layout, name)


def followed(layout: Layout, name: str) -> str:
    """The branch that `name` stands for, where it is a branch that is a symbolic ref to another; else `name`."""
    for _ in range(DEEP):
        target = symbolic(layout, name) if name.startswith(_BRANCHES) else ""
        if not target.startswith(_BRANCHES) or not valid_ref(target):
            return name
        name = target
    raise Unsupported("branches of this repository are symbolic refs that name one another in a circle or a long chain")


def symbolic(layout: Layout, name: str) -> str:
    """What a ref names, where it is a symbolic one; else ""."""
    loose = _loose_one(layout, name)
    return loose.removeprefix("ref:").strip() if loose.startswith("ref:") else ""


def read_ref(layout: Layout, name: str) -> str:
    """The sha that one ref is at now, or ""."""
    loose = _loose_one(layout, name)
    return loose if SHA.fullmatch(loose) else _packed(layout.common).get(name, "")


def read_own(layout: Layout, name: str) -> str:
    """The sha that a head which git itself writes beside HEAD begins with (ORIG_HEAD, FETCH_HEAD), or "". Raises
    `PathDenied` for a link."""
    found = _OWN.match(small(layout.gitdir / name) or b"")
    return found[1].decode() if found else ""


def _loose_one(layout: Layout, name: str) -> str:
    return (small(layout.common / name) or b"").decode("utf-8", "replace").strip() if no_links(layout, name) else ""


def no_links(layout: Layout, name: str) -> bool:
    """Whether the folders above a loose ref are there; raises `PathDenied` where one is a link."""
    folder = layout.common
    for part in name.split("/")[:-1]:
        folder = folder / part
        if folder.is_symlink():
            raise PathDenied("the repository's refs hold a link")
        if not folder.is_dir():
            return False
    return True


def _packed(common: Path) -> dict[str, str]:
    try:
        descriptor = os.open(f"{common}/packed-refs", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError:
        raise PathDenied("packed-refs in the repository's folder is a link or can't be read") from None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PathDenied("packed-refs in the repository's folder is no regular file")
        if status.st_size > PACKED:
            raise TooLarge("the repository has too many refs")
        data = file.read()
    return dict(_table(data)) if len(data) <= REMEMBERED else _table.__wrapped__(data)


@lru_cache(maxsize=8)
def _table(data: bytes) -> dict[str, str]:
    """What `packed-refs` says; the same bytes say the same."""
    table: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        sha, _, name = line.partition(" ")
        if SHA.fullmatch(sha) and name.startswith("refs/") and valid_ref(name):
            table[name] = sha
    return table


def _loose(common: Path) -> list[tuple[str, str]]:
    """Name and content of every file beneath `refs/` whose name can be a ref's; others git calls broken."""
    found: list[tuple[str, str]] = []
    waiting = ["refs"]
    if os.path.islink(f"{common}/refs"):
        raise PathDenied("the repository's refs hold a link")
    seen = 0
    while waiting:
        folder = waiting.pop()
        for entry in entries_of(f"{common}/{folder}"):
            seen += 1
            if seen > MOST:
                raise TooLarge("the repository has too many refs")
            if entry.is_symlink():
                raise PathDenied("the repository's refs hold a link")
            name = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
            elif valid_ref(name):
                found.append((name, (small(entry.path) or b"").decode("utf-8", "replace").strip()))
    return found
