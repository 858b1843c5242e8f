"""A repository that is seen again without a look: whatever is done to it, no call overlooks it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.git.bench import Bench

from astro_mcp.core.authority import Grant, Session
from astro_mcp.core.call import Call
from astro_mcp.workspace import openat2
from astro_mcp.workspace.git import glimpse, kept
from astro_mcp.workspace.git.layout import find, objects_of

SHORT = 50_000_000
"""Nanoseconds after which what is at rest here counts as that: clocks of files tick every 4 ms."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    if not openat2.is_available():
        pytest.skip("this system has no openat2")
    monkeypatch.setattr(glimpse, "SETTLED", SHORT)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whole looks, and those at objects alone."""
    found: list[str] = []

    def look(folder: Path, *rest: Any) -> Any:
        found.append("whole")
        return find(folder, *rest)

    def look_at_objects(common: Path, *rest: Any) -> Any:
        found.append("objects")
        return objects_of(common, *rest)

    monkeypatch.setattr(kept, "find", look)
    monkeypatch.setattr(kept, "objects_of", look_at_objects)
    return found


async def at_rest(bench: Bench, looks: list[str]) -> None:
    """A status that needed no look was told."""
    for _ in range(20):
        await anyio.sleep(SHORT / 1e9)
        del looks[:]
        await bench.call("git_status")
        if not looks:
            return
    pytest.fail("each status takes a look")


async def test_where_nothing_happened_a_status_takes_no_thread_and_a_log_no_look(
    bench: Bench, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await at_rest(bench, looks)
    bench.write("README.md", "# Changed\n")
    await bench.call("git_status")  # the index is read, and it is found out what the kernel holds
    bench.write("README.md", "# Once more\n")
    del looks[:]

    async def run(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a thread was used")

    with monkeypatch.context() as patched:
        patched.setattr(anyio.to_thread, "run_sync", run)
        assert [one.path for one in (await bench.call("git_status")).unstaged] == ["README.md"]
    assert looks == []
    await bench.call("git_log")
    assert looks == ["objects"], "before git was asked"
    del looks[:]
    assert (await bench.call("git_log")).items[0].subject == "Add two"
    assert looks == []


def _written(name: str, text: bytes) -> Callable[[Bench], None]:
    def change(bench: Bench) -> None:
        path = bench.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)

    return change


def _swapped(bench: Bench) -> None:
    """Another repository of the same commits lies in the place of this one."""
    other = bench.root.parent / "other"
    shutil.copytree(bench.root / ".git", other)
    os.rename(bench.root / ".git", bench.root.parent / "former")
    os.rename(other, bench.root / ".git")


def _moved(bench: Bench) -> None:
    """The same repository has another folder, at the same path."""
    other, former = bench.root.parent / "other", bench.root.parent / "former"
    other.mkdir()
    os.rename(bench.root / ".git", other / ".git")
    os.rename(bench.root, former)
    os.rename(other, bench.root)
    assert not (bench.root / ".gitattributes").exists()  # which the kernel now knows


CHANGES: dict[str, Callable[[Bench], Any]] = {
    "a commit": lambda bench: bench.git("commit", "-q", "--allow-empty", "-m", "Third"),
    "a branch": lambda bench: bench.git("branch", "side"),
    "a branch in a folder": lambda bench: bench.git("branch", "a/b/c"),
    "a switch": lambda bench: bench.git("checkout", "-q", "-b", "side"),
    "a ref in its place": lambda bench: (bench.root / ".git/refs/heads/main").write_text(
        bench.git("rev-parse", "HEAD~1")
    ),
    "packed refs": lambda bench: bench.git("pack-refs", "--all"),
    "a remote": lambda bench: bench.git("update-ref", "refs/remotes/origin/main", "HEAD~1"),
    "the configuration": lambda bench: bench.git("config", "core.fileMode", "false"),
    "the index": lambda bench: bench.git("rm", "-q", "--cached", "README.md"),
    "what is excluded": _written(".git/info/exclude", b"*.log\n"),
    "attributes": _written(".gitattributes", b"* -diff\n"),
    "a cut history": lambda bench: (bench.root / ".git/shallow").write_text(bench.git("rev-parse", "HEAD")),
    "another repository": _swapped,
    "another working tree": _moved,
}


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_is_done_to_a_repository_the_next_call_looks(
    bench: Bench, looks: list[str], change: str
) -> None:
    await at_rest(bench, looks)
    CHANGES[change](bench)
    del looks[:]
    for _ in range(2):
        shown = await bench.call("git_status")
        assert "whole" in looks, f"{change} was overlooked"
        assert shown.sha == bench.git("rev-parse", "HEAD").strip()
        assert shown.branch == bench.git("branch", "--show-current").strip()
        assert [one.path for one in shown.staged] == bench.git("diff", "--cached", "--name-only").split()


PARTS = (".git", ".git/refs", ".git/refs/heads", ".git/refs/heads/main", ".git/HEAD", ".git/index", ".git/config")


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_became_a_link_is_refused_as_ever(
    bench: Bench, looks: list[str], part: str, tmp_path: Path
) -> None:
    await at_rest(bench, looks)
    moved = tmp_path / "moved"
    os.rename(bench.root / part, moved)
    (bench.root / part).symlink_to(moved)
    for tool in ("git_status", "git_log"):
        result = await bench.result(tool)
        assert result.error is not None, tool
        assert result.error.code in ("path_denied", "not_found", "unsupported"), tool


async def test_no_git_is_asked_before_the_objects_were_gone_through(bench: Bench, looks: list[str]) -> None:
    """What stands is told without them; whatever needs a git is refused where they hold a link."""
    await at_rest(bench, looks)
    objects = bench.root / ".git/objects"
    link = next(name for name in (objects / f"{number:02x}" for number in range(256)) if not name.exists())
    link.symlink_to("/etc")
    await bench.call("git_status")
    bench.write("new.txt", "1\n")  # about which git is asked
    for tool, arguments in (("git_status", {}), ("git_log", {"limit": 5}), ("git_show", {}), ("git_diff", {})):
        result = await bench.result(tool, **arguments)
        assert result.error is not None, tool
        assert result.error.code == "path_denied", tool
    link.unlink()
    assert (await bench.call("git_status")).untracked == ["new.txt"]
    assert len((await bench.call("git_log")).items) == 2


async def test_a_log_after_a_commit_looks_at_objects_alone_and_only_for_git(bench: Bench, looks: list[str]) -> None:
    await bench.call("git_log")
    await at_rest(bench, looks)
    for number, more in enumerate(["\nby git", "", "\nby git", ""]):
        bench.write("README.md", f"# {number}\n")
        bench.git("commit", "-q", "-a", "-m", f"Change {number}{more}")
        del looks[:]
        shown = await bench.call("git_log", limit=2)
        assert looks == (["objects"] if more else [])
        assert [one.sha for one in shown.items] == bench.git("rev-list", "-2", "HEAD").split()
        told = shown.items[0].subject, shown.items[0].additions, shown.total
        assert told == (f"Change {number}{more}".replace("\n", " "), 1, number + 3)


async def test_what_is_asked_beside_a_head_that_moved_is_as_it_is_now(bench: Bench, looks: list[str]) -> None:
    """Another branch came with the commit, and one moved."""
    bench.git("branch", "older")
    await bench.call("git_log")
    await at_rest(bench, looks)
    bench.write("README.md", "# Changed\n")
    bench.git("commit", "-q", "-a", "-m", "Third")
    bench.git("branch", "newer")
    bench.git("branch", "-f", "older", "HEAD~2")
    bench.write("src/app.py", "def none(): ...\n")
    bench.git("add", "-A")
    assert (await bench.call("git_log", path="README.md")).total == 2
    assert (await bench.call("git_log")).total == 3
    assert (await bench.call("git_log", ref="newer")).total == 3
    assert (await bench.call("git_log", ref="older")).total == 1
    shown = await bench.call("git_status")
    assert (shown.sha, [one.path for one in shown.staged]) == (bench.git("rev-parse", "HEAD").strip(), ["src/app.py"])
    bench.git("branch", "-D", "newer")
    assert (await bench.result("git_log", ref="newer")).error is not None


@pytest.mark.parametrize("text", ["", "ref: refs/heads/older\n", "0" * 64 + "\n", "x" * 100])
async def test_a_branch_that_names_no_commit_is_told_as_ever(bench: Bench, looks: list[str], text: str) -> None:
    bench.git("branch", "older", "HEAD~1")
    await bench.call("git_log")
    await at_rest(bench, looks)
    (bench.root / ".git/refs/heads/main").write_text(text)
    result = await bench.result("git_log")
    assert "whole" in looks
    if text.startswith("ref"):
        assert result.unwrap().model_dump()["total"] == 1
    elif text.startswith("0"):
        assert result.error is not None
        assert result.error.code == "unsupported"
    else:
        assert result.unwrap().model_dump()["items"] == []


async def test_a_grant_sees_nothing_by_the_look_of_another(bench: Bench, looks: list[str]) -> None:
    """The same folder is no repository for a session whose roots don't hold its parts."""
    await at_rest(bench, looks)
    grant = Grant(roots=(bench.root,), toolsets=frozenset({"git"}))
    other = Session(bench.session.principal, grant)
    del looks[:]
    result = await bench.dispatcher.call(Call(other, "git_status", {}))
    assert result.error is None
    assert looks


async def test_a_repository_of_many_refs_is_looked_at_each_time(bench: Bench, looks: list[str]) -> None:
    sha = bench.git("rev-parse", "HEAD").strip()
    for number in range(glimpse.MOST + 1):
        (bench.root / f".git/refs/tags/t{number}").write_text(f"{sha}\n")
    for _ in range(4):
        await anyio.sleep(SHORT / 1e9)
        del looks[:]
        await bench.call("git_status")
        assert looks
