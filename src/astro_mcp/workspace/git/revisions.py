"""Names of commits, as a caller says them, into full shas. Git is handed nothing but those shas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.nearest import nearest
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.objects import shas_of
from astro_mcp.workspace.git.refs import Refs, read_own
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.waiting import CHECK

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
NEAR: Final = 5_000
"""Names among which a like one is looked for."""
TOLD: Final = 3
"""Objects that begin alike and are told of."""
_SHORT: Final = re.compile(r"[0-9a-f]{4,39}")
_HEAD: Final = re.compile(r"((?:ORIG_|FETCH_|MERGE_|CHERRY_PICK_|REVERT_)?HEAD)(?=[~^]|\Z)")
_ANCESTOR: Final = re.compile(r"([0-9a-f]{40})((?:~[0-9]{0,4}|\^)*)")
_STEP: Final = re.compile(r"~[0-9]*|\^")
_KINDS: Final = ("refs/heads/", "refs/tags/", "refs/remotes/")
_REVISION: Final = re.compile(r"[^-\x00-\x20\x7f:?*\[\\{}][^\x00-\x20\x7f:?*\[\\{}]{0,249}")


async def commit_of(repository: Repository, revision: str) -> str:
    """The sha of the commit that a branch, tag, sha or `HEAD~3` names.

    Ranges, searches (`:/text`) and paths (`ref:path`) are no revisions here. Raises `InvalidInput`, `NotFound`.
    """
    if not _sayable(revision):
        raise InvalidInput(f"{printable(revision, 80)!r} can't name a commit", _form(revision))
    if revision == "HEAD" and not repository.refs.sha:
        raise NotFound("this branch has no commit yet")
    name = await _from_sha(repository, revision)
    sha, tree = _told(repository, name) or await shas_of(repository, f"{name}^{{commit}}", f"{name}^{{tree}}")
    if not sha:
        await _told_apart(repository, revision)
        refs = repository.refs
        hint = await repository.apart(64 * len(refs.table), lambda: _instead(refs, revision))
        raise NotFound(f"no commit is named {printable(revision, 80)!r}", hint)
    if tree:  # which most who ask want next
        repository.memory.found[f"{sha}^{{tree}}"] = tree
    return sha


async def _from_sha(repository: Repository, revision: str) -> str:
    """The same from HEAD's sha, or another head's that git writes, where one is there: a private folder has none."""
    if (found := _HEAD.match(revision)) is None:
        return revision
    head = found[1]
    sha = repository.refs.sha
    if head != "HEAD":
        sha = await repository.blocking(lambda: read_own(repository.layout, head))
    return sha + revision[len(head) :] if sha else revision


async def _told_apart(repository: Repository, revision: str) -> None:
    """Raise `InvalidInput` where it begins several objects: with the first of them, commits before others."""
    name = re.split(r"[~^]", revision, maxsplit=1)[0].lower()
    if not _SHORT.fullmatch(name):
        return
    ran = await repository.git("rev-parse", f"--disambiguate={name}", limit=41 * NEAR, history=True)
    shas = ran.out.decode("ascii").split()
    if len(shas) < 2:
        return
    rows = (await repository.ask(CHECK, *shas)).out.decode("utf-8", "replace").split("\n")[:-1]
    kinds = [tuple(row.split(" ")[:2]) for row in rows]
    kinds.sort(key=lambda one: one[1] != "commit")
    some = ", ".join(f"{sha[:12]} ({kind})" for sha, kind in kinds[:TOLD])
    raise InvalidInput(
        f"{name} begins {len(shas)} objects", f"take more digits: {some}{' …' if len(shas) > TOLD else ''}"
    )


def _form(revision: str) -> str:
    """How else to say what may be meant by it."""
    if ".." in revision:
        return "one commit is named here: git_diff takes two as from and to, and git_log a..b as ref"
    if ":" in revision:
        return "a file of a commit is git_show's, with ref and path apart"
    return "a branch, a tag, a sha, or HEAD~2"


def _told(repository: Repository, name: str) -> list[str]:
    """The commit and its tree, where a log told of all that `sha~3` leads through; else nothing."""
    if (found := _ANCESTOR.fullmatch(name)) is None:
        return []
    steps = sum(int(step[1:] or 1) for step in _STEP.findall(found[2]))
    sha = found[1]
    while record := repository.memory.logged.get(sha):
        parents, tree, _ = record.split(b"\0", 2)
        if not steps:
            return [sha, tree.decode("ascii")]
        sha, steps = parents[:40].decode("ascii"), steps - 1
    return []


def _instead(refs: Refs, revision: str) -> str:
    """What may be meant, or what is wrong with it."""
    there = list(islice(names(refs), NEAR))
    name, steps, _ = re.split(r"([~^]|\Z)", revision, maxsplit=1)
    if name in there or name == "HEAD":
        return f"{name} has no such ancestor" if steps else "it is there, but names no commit"
    near = nearest(name, there)
    return f"did you mean {near}?" if near else ""


def names(refs: Refs) -> Iterator[str]:
    """Branches, then tags, then the branches of remotes, each sorted, as `commit_of` takes them.

    A name that can't be said to it, or that would not look like what it is, is left out: a repository chooses names.
    """
    for kind in _KINDS:
        for name in sorted(name.removeprefix(kind) for name in refs.table if name.startswith(kind)):
            if _sayable(name) and printable(name) == name:
                yield name


def _sayable(revision: str) -> bool:
    return bool(_REVISION.fullmatch(revision)) and ".." not in revision and "@{" not in revision
