"""What a step that moved a branch or HEAD leaves behind: `refs/astro/recovery/…`, a commit that says where both were.

Its parents are the commits before and after, so that git's gc keeps them and all that is in them. The refs go with age
and beyond a number; git_undo reads them. A repository could bring such a ref along: nothing in it is believed that is
not checked against the repository as it is, and it can name nothing but branches, of here or of a remote.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from astro_mcp.config import GitSettings
from astro_mcp.errors import Conflict, InvalidInput, NotFound, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import publish
from astro_mcp.workspace.git.commits import identity
from astro_mcp.workspace.git.refs import SHA, read_ref, valid_ref
from astro_mcp.workspace.git.repository import Repository

PREFIX: Final = "refs/astro/recovery/"
FETCHED: Final = "refs/astro/fetched/"
"""Of remote branches that a fetch moved by force: apart, so that no host drives out what a person wants back."""
KEPT: Final = 50
"""Recovery refs of one repository, of each of the two kinds."""
DAYS: Final = 30
"""How long they are kept at least, where they are not more than that."""
_NAME: Final = re.compile(r"(refs/astro/(?:recovery|fetched)/)[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_SUBJECT: Final = "Where things were before a step of astro-mcp\n\n"
LONGEST: Final = 4_096


@dataclass(frozen=True, slots=True)
class Step:
    """HEAD (a branch's ref or a sha) before and after; and the commit before and after, of the branch `ref`, or of HEAD
    itself where `ref` is ""."""

    head_before: str
    head_after: str
    ref: str
    before: str
    after: str

    def inverse(self) -> Step:
        return Step(self.head_after, self.head_before, self.ref, self.after, self.before)


async def keep(repository: Repository, step: Step, settings: GitSettings, prefix: str = PREFIX) -> str:
    """Make the recovery ref of a step that is about to happen; returns its name. Old ones of that prefix go."""
    by = publish.Signature(settings.author_name, settings.author_email, int(time.time()))
    parents = [word for sha in dict.fromkeys((step.before, step.after)) for word in ("-p", sha)]
    said = _SUBJECT + json.dumps(asdict(step)) + "\n"
    ran = await repository.git(
        "commit-tree", f"{step.before}^{{tree}}", *parents, "-F", "-", stdin=said.encode(), environment=identity(by)
    )
    moment = time.strftime(_TIME, time.gmtime(by.seconds))
    name = f"{prefix}{moment}-{os.urandom(4).hex()}"
    update = publish.Update(name, "", ran.out.decode().strip(), "recovery", by)

    def write() -> None:
        publish.store_objects(repository.private.objects, repository.layout)
        publish.create(repository.locks, repository.layout, update)
        for old in _old(repository, by.seconds, prefix):
            with suppress(Conflict):  # another call has just taken it away, or is about to
                publish.delete(repository.locks, repository.layout, old, repository.refs.table[old])

    await repository.blocking(write)
    return name


async def forget(repository: Repository, name: str) -> None:
    """Take the ref of a step that did not happen away."""

    def write() -> None:
        publish.delete(repository.locks, repository.layout, name, read_ref(repository.layout, name))

    await repository.blocking(write)


async def read(repository: Repository, name: str) -> Step:
    """The step that a recovery ref tells of. Raises `InvalidInput`, `NotFound`, `Unsupported`."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{printable(name, 80)!r} is no recovery ref", f"as in {PREFIX}20260131T120000Z-0123abcd")
    sha = repository.refs.table.get(name)
    if sha is None:
        raise NotFound("there is no such recovery ref", f"they are kept for {DAYS} days, {KEPT} at most")
    ran = await repository.git("cat-file", "commit", sha, limit=LONGEST * 4)
    try:
        body = json.loads(ran.out.decode().partition("\n\n" + _SUBJECT)[2])
        step = Step(**body)
        shas = await _commits(repository, step)
    except (ValueError, TypeError, RecursionError):
        raise _strange() from None
    if not shas or not all(_is_head(head) for head in (step.head_before, step.head_after)):
        raise _strange()
    if step.ref and not _is_branch(step.ref) and not _is_tracked(step):
        raise _strange()
    return step


async def _commits(repository: Repository, step: Step) -> bool:
    """Whether both shas are commits of the repository."""
    shas = (step.before, step.after)
    if not all(isinstance(value, str) for value in asdict(step).values()) or not all(map(SHA.fullmatch, shas)):
        return False
    ran = await repository.git("cat-file", "--batch-check", stdin="".join(f"{sha}\n" for sha in shas).encode())
    return all(row.split(" ")[1] == "commit" for row in ran.out.decode().splitlines())


def _is_branch(ref: Any) -> bool:
    return isinstance(ref, str) and ref.startswith("refs/heads/") and valid_ref(ref)


def _is_tracked(step: Step) -> bool:
    """Whether it moved a remote's branch, and HEAD stayed."""
    return step.ref.startswith("refs/remotes/") and valid_ref(step.ref) and step.head_before == step.head_after


def _is_head(head: Any) -> bool:
    return _is_branch(head) or (isinstance(head, str) and SHA.fullmatch(head) is not None)


def _strange() -> Unsupported:
    return Unsupported("this recovery ref was not made here, or is damaged", "git reflog tells where branches were")


def _old(repository: Repository, now: int, prefix: str) -> list[str]:
    """Those of `prefix` that are there already and too many, with one that comes, or too old."""
    names = sorted(name for name in repository.refs.table if name.startswith(prefix) and _NAME.fullmatch(name))
    oldest = time.strftime(_TIME, time.gmtime(now - DAYS * 86_400))
    many = max(0, len(names) + 1 - KEPT)
    return [name for at, name in enumerate(names) if at < many or name.removeprefix(prefix) < oldest]
