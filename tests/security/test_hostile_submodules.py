"""A submodule's parts that lie elsewhere, or are none: no tool reads anything outside of the root, nor waits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from tests.security.outside import Outside
from tests.security.trap import Trap, codes

from astro_mcp.agents.tests.changes import Changes, changed
from astro_mcp.config import SecretSettings
from astro_mcp.workspace import openat2
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

SECONDS = 40.0
"""For all the git tools: less than one git that waits for a pipe is given."""


STRANGE = "3" * 40


class Parts:
    """A submodule `deep/sub` that is at another commit than the index says, and a stranger's repository outside."""

    def __init__(self, trap: Trap) -> None:
        self.trap = trap
        self.folder = trap.root / "deep/sub"
        self.gitdir = trap.root / ".git/modules/deep/sub"
        self.other = trap.outside / "other"
        for folder in (trap.outside / "upstream", self.other):
            trap.git("init", "-q", "-b", "main", str(folder))
            trap.git("commit", "-q", "--allow-empty", "-m", folder.name, folder=folder)
        allowed = ("-c", "protocol.file.allow=always")
        trap.git(*allowed, "submodule", "--quiet", "add", str(trap.outside / "upstream"), "deep/sub")
        trap.git("commit", "-q", "-m", "A submodule", "--", ".gitmodules", "deep/sub")
        trap.git("commit", "-q", "--allow-empty", "-m", "Moved", folder=self.folder)
        self.elsewhere = self.other / ".git/HEAD"
        self.elsewhere.write_text(f"{STRANGE}\n")

    def named(self, text: str) -> None:
        (self.folder / ".git").write_text(text)

    def instead(self, path: str, make: Callable[[Path], None]) -> None:
        """Something else where the part of the git folder was, or the submodule's `.git` for ""."""
        part = self.gitdir / path if path else self.folder / ".git"
        part.unlink(missing_ok=True)
        make(part)


def _huge(part: Path) -> None:
    with part.open("wb") as file:
        file.write(b"ref: refs/heads/main\n" if part.name == "HEAD" else b"gitdir: ../../.git/modules/deep/sub\n")
        file.truncate(1 << 34)


def _linked_folder(parts: Parts) -> None:
    shutil.rmtree(parts.folder)
    parts.folder.symlink_to(parts.other)


def _linked_folder_above(parts: Parts) -> None:
    shutil.rmtree(parts.folder.parent)
    (parts.trap.outside / "sub").symlink_to(parts.other)
    parts.folder.parent.symlink_to(parts.trap.outside)


def _by_way_of_a_link(parts: Parts) -> None:
    (parts.trap.root / "way").symlink_to(parts.trap.outside)
    parts.named("gitdir: ../../way/other/.git\n")


def _up_behind_a_link(parts: Parts) -> None:
    (parts.trap.root / "way").symlink_to(parts.other / ".git/refs")
    parts.named("gitdir: ../../way/../.git\n")  # which reads like the folder of the repository itself


def _loop(parts: Parts) -> None:
    (parts.gitdir / "HEAD").write_text("ref: refs/heads/a\n")
    for name, other in ("ab", "ba"):
        (parts.gitdir / "refs/heads" / name).write_text(f"ref: refs/heads/{other}\n")


def _loop_of_links(parts: Parts) -> None:
    parts.instead("HEAD", lambda part: part.symlink_to("HEAD"))


def _commondir_outside(parts: Parts) -> None:
    (parts.gitdir / "commondir").write_text(f"{parts.other}/.git\n")


def _head_leads_out(parts: Parts) -> None:
    (parts.gitdir / "HEAD").write_text("ref: refs/../../../../../../outside/other/.git/HEAD\n")


def _pipe_for_packed_refs(parts: Parts) -> None:
    (parts.gitdir / "refs/heads/main").unlink()
    parts.instead("packed-refs", os.mkfifo)


def _in_conflict(parts: Parts) -> None:
    """What no git can be told not to look at."""
    rows = [f"160000 {STRANGE} {stage}\tdeep/sub\n" for stage in (1, 2, 3)]
    parts.trap.git("update-index", "--force-remove", "deep/sub")
    parts.trap.git("update-index", "--index-info", stdin="".join(rows))
    parts.instead("HEAD", os.mkfifo)


WAYS: dict[str, Callable[[Parts], None]] = {
    "an absolute path outside": lambda parts: parts.named(f"gitdir: {parts.other}/.git\n"),
    "a path that leads out": lambda parts: parts.named("gitdir: ../../../outside/other/.git\n"),
    "a path behind a link": _by_way_of_a_link,
    "a path up behind a link": _up_behind_a_link,
    "a file that names nothing": lambda parts: parts.named("gitdir: \n"),
    "a file that names a NUL": lambda parts: parts.named("gitdir: ../../.git/modules/deep/sub\0\n"),
    "a link for .git": lambda parts: parts.instead("", lambda part: part.symlink_to(parts.other / ".git")),
    "a pipe for .git": lambda parts: parts.instead("", os.mkfifo),
    "a huge .git": lambda parts: parts.instead("", _huge),
    "a commondir outside": _commondir_outside,
    "a pipe for commondir": lambda parts: parts.instead("commondir", os.mkfifo),
    "a linked HEAD": lambda parts: parts.instead("HEAD", lambda part: part.symlink_to(parts.elsewhere)),
    "a pipe for HEAD": lambda parts: parts.instead("HEAD", os.mkfifo),
    "a huge HEAD": lambda parts: parts.instead("HEAD", _huge),
    "a HEAD that leads out": _head_leads_out,
    "a linked branch": lambda parts: parts.instead("refs/heads/main", lambda part: part.symlink_to(parts.elsewhere)),
    "a pipe for the branch": lambda parts: parts.instead("refs/heads/main", os.mkfifo),
    "a pipe for packed-refs": _pipe_for_packed_refs,
    "branches that name one another": _loop,
    "a HEAD that is a link to itself": _loop_of_links,
    "a pipe for HEAD, and in conflict": _in_conflict,
    "a linked folder": _linked_folder,
    "a linked folder above": _linked_folder_above,
}


async def unstaged(trap: Trap) -> set[tuple[str, str]]:
    status: Any = (await trap.call("git_status")).unwrap()
    return {(one.path, one.change) for one in status.unstaged}


async def since_head(trap: Trap) -> Changes:
    """What the choice of tests by what changed goes by; it needs no sandbox for that."""
    workspace = Workspace(SecretSettings())
    project: Any = SimpleNamespace(top=Place(trap.root, ""), files={})
    git = Git(workspace, trap.outside.parent / "private")
    return await changed(git, workspace, trap.session, project, "HEAD", lines=True)


SHORT = (
    *("an absolute path outside", "a path behind a link", "a path up behind a link", "a commondir outside"),
    *("a linked HEAD", "a pipe for HEAD", "a pipe for HEAD, and in conflict"),
)


@pytest.mark.parametrize("how", [how if how in SHORT else pytest.param(how, marks=pytest.mark.full) for how in WAYS])
async def test_nothing_outside_is_read_and_nothing_is_waited_for(trap: Trap, how: str) -> None:
    parts = Parts(trap)
    assert ("deep/sub", "M") in await unstaged(trap), "it is told where nothing is odd"
    WAYS[how](parts)
    outside = Outside(trap.outside)
    outside.watch()
    with anyio.fail_after(SECONDS):
        told = await unstaged(trap)
        diffs: list[Any] = [(await trap.call("git_diff", **{"from": base})).unwrap() for base in ("HEAD", "index")]
        assert codes(await trap.everything()) <= {"ok", "conflict", "unsupported"}
    assert ("deep/sub", "M") not in told
    files = [file for diff in diffs for file in diff.files if (file.path, file.additions) == ("deep/sub", 1)]
    # a link itself is told, and where it leads; of a conflict our side is, which is the index's
    assert files == [] or how in ("a linked folder", "a pipe for HEAD, and in conflict")
    assert how.endswith("in conflict") or STRANGE not in "".join(str(diff.model_dump()) for diff in diffs)
    assert outside.touched() == []


async def test_where_the_kernel_does_not_help_a_ref_leads_nowhere_else(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts(trap)
    monkeypatch.setattr(openat2, "is_available", lambda: False)
    assert ("deep/sub", "M") in await unstaged(trap)
    (parts.gitdir / "refs/deep").mkdir()
    (parts.gitdir / "HEAD").write_text("ref: refs/deep/../../../../../../../outside/other/.git/HEAD\n")
    outside = Outside(trap.outside)
    outside.watch()
    assert ("deep/sub", "M") not in await unstaged(trap)
    assert outside.touched() == []


async def test_what_a_submodule_configures_is_not_even_read(trap: Trap) -> None:
    parts = Parts(trap)
    (parts.gitdir / "config").write_text("[core\n")
    with pytest.raises(AssertionError, match="config"):
        trap.git("status", "--ignore-submodules=all")
    outside = Outside(parts.gitdir)
    outside.watch()
    assert ("deep/sub", "M") in await unstaged(trap)
    assert (await since_head(trap)).files == {"a.txt", "untracked.txt"}
    assert codes(await trap.everything()) <= {"ok", "conflict", "unsupported"}
    assert set(outside.touched()) <= {"HEAD", "main"}
