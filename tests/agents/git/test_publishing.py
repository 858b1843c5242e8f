"""What stands against a write into a repository: it is said before anything happened, or nothing stands against it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Timer

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.config import SecretSettings
from astro_mcp.errors import PathDenied, Unavailable
from astro_mcp.workspace.git import layout, private, publish
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


async def test_a_reflog_that_cant_be_written_stops_no_step_and_leaves_its_way_back(bench: Bench) -> None:
    bench.git("branch", "side", "HEAD~1")
    for name in ("HEAD", "refs/heads/side"):
        (bench.root / ".git/logs" / name).unlink()
    os.mkfifo(bench.root / ".git/logs/HEAD")
    (bench.root / ".git/logs/refs/heads/side/full").mkdir(parents=True)
    bench.write("README.md", "# Changed\n")
    made = await bench.call("git_commit", message="m")
    assert bench.git("rev-parse", "main").strip() == made.sha
    merged = await bench.call("git_merge", **{"from": "main", "into": "side"})
    assert bench.git("rev-parse", "side").strip() == made.sha
    await bench.call("git_undo", recovery_ref=merged.recovery_ref)
    assert bench.git("rev-parse", "side") == bench.git("rev-parse", "main~2")


async def test_a_disk_that_is_full_at_any_write_is_said_so_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, written = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal written
        written += stat.S_ISREG(os.fstat(descriptor).st_mode)
        if written == full:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    bench.write("README.md", "# Changed\n")
    head, full, error = bench.git("rev-parse", "HEAD"), 0, None
    while full == 0 or error is not None:
        full, written = full + 1, 0
        bench.git("prune", "--expire=now")
        error = (await bench.result("git_commit", message="m")).error
        if error is not None:
            assert isinstance(error, PathDenied)
            assert "No space left" in error.message
            assert bench.git("rev-parse", "HEAD") == head
            assert list((bench.root / ".git/objects").rglob("tmp_obj_*")) == []
    assert full == 6, full  # three objects, the index and the branch have no room in turn


async def test_a_data_folder_without_room_is_said_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(private, "_replace", full)
    for tool, arguments in (("git_commit", {"message": "m"}), ("git_status", {})):
        error = (await bench.result(tool, **arguments)).error
        assert isinstance(error, Unavailable)
        assert "No space left" in error.message


async def test_a_folder_that_another_git_makes_at_the_same_moment_is_no_defect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = layout.is_folder

    def is_folder(path: Path) -> bool:
        there = plain(path)
        if not there and path.parent.name == "objects" and not path.is_symlink():
            meanwhile(path)
        return there

    monkeypatch.setattr(publish, "is_folder", is_folder)
    bench.write("README.md", "# Changed\n")
    meanwhile: Callable[[Path], None] = Path.mkdir
    assert (await bench.call("git_commit", message="m")).sha
    bench.write("README.md", "# Changed again\n")
    meanwhile = partial(Path.symlink_to, target=bench.root / "src")
    assert isinstance((await bench.result("git_commit", message="m")).error, PathDenied)
    assert os.listdir(bench.root / "src") == ["app.py"]


async def test_a_lock_of_another_gits_that_goes_while_it_is_looked_at_is_no_defect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda path: str(path).endswith(".lock") or plain(path))
    bench.write("README.md", "# Changed\n")
    assert (await bench.call("git_commit", message="m")).sha


async def test_a_lock_that_another_git_holds_on_a_ref_for_a_moment_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    bench.write("README.md", "# Changed\n")
    sha = bench.git("rev-parse", "HEAD").strip()
    bench.git("branch", "side")
    bench.git("pack-refs", "--all")
    for name in ("refs/heads/main", "refs/heads/side", "packed-refs"):
        lock = bench.root / f".git/{name}.lock"
        lock.touch()
        Timer(0.05, lock.unlink).start()
        if name == "refs/heads/main":
            assert (await bench.call("git_commit", message="m")).sha
            continue
        async with Git(Workspace(SecretSettings()), tmp_path / "own").open(bench.session, ".") as repository:
            await repository.blocking(
                partial(publish.delete, repository.locks, repository.layout, "refs/heads/side", sha)
            )
        assert not bench.git("for-each-ref", "refs/heads/side")
        bench.git("branch", "side", sha)
        bench.git("pack-refs", "--all")
