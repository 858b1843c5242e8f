"""What a log tells of a commit is found when it was made, and not when somebody waits for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.agents.git.bench import Bench
from tests.agents.git.test_standing import known_at_once

from astro_mcp.workspace import openat2
from astro_mcp.workspace.git import ahead, fresh, logged


@pytest.fixture(autouse=True)
def at_once(bench: Bench) -> None:
    if not openat2.is_available() or not known_at_once(bench.root):
        pytest.skip("this file system is not read without waiting")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commits that were told without git, in turn."""
    shas: list[str] = []
    real = fresh.told_here

    def told(repository: Any, sha: str) -> bytes | None:
        record = real(repository, sha)
        shas.extend([sha] if record else [])
        return record

    monkeypatch.setattr(logged, "told_here", told)
    return shas


def queues() -> int:
    """How many inotify queues this process holds."""
    names = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return sum(os.readlink(name) == "anon_inode:inotify" for name in names if os.path.lexists(name))


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not holds():
            await anyio.sleep(0.005)


async def commit(bench: Bench, number: int) -> str:
    bench.write("README.md", f"# Project {number}\n")
    await anyio.to_thread.run_sync(lambda: bench.git("commit", "-qam", f"Round {number}"))
    return bench.git("rev-parse", "HEAD").strip()


@pytest.mark.parametrize("branch", ["main", "feature/one"])
async def test_a_commit_is_told_of_before_anybody_asks(bench: Bench, found: list[str], branch: str) -> None:
    if branch != "main":
        bench.git("switch", "-qc", branch)
    before_any = queues()
    await bench.call("git_log")
    await until(lambda: queues() > before_any)
    for number in range(3):
        sha = await commit(bench, number)
        await until(lambda sha=sha: sha in found)  # type: ignore[misc]
        before = list(found)
        assert (await bench.call("git_log")).items[0].sha == sha
        assert found == before, "told of again for who asked"


async def test_a_branch_is_looked_at_for_as_long_as_its_log_is_asked_for(
    bench: Bench, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = queues()
    await bench.call("git_log")
    await until(lambda: queues() == before + 1)
    with monkeypatch.context() as patched:
        patched.setattr(ahead, "IDLE", 0)
        await commit(bench, 1)  # wakes it, and it sees that its time is over
        await until(lambda: queues() == before)
    found.clear()
    await commit(bench, 2)
    await anyio.sleep(0.05)
    assert found == []
    await bench.call("git_log")
    await until(lambda: queues() == before + 1)


async def test_the_log_of_a_branch_without_a_folder_of_its_own_is_told_as_before(bench: Bench) -> None:
    bench.git("switch", "-qc", "deep/branch")
    bench.git("pack-refs", "--all")
    assert not (bench.root / ".git/refs/heads/deep").exists()
    for number in range(2):
        sha = bench.git("rev-parse", "HEAD").strip()
        assert (await bench.call("git_log")).items[0].sha == sha
        await commit(bench, number)


async def test_no_more_folders_are_looked_at_than_repositories_are_kept(bench: Bench) -> None:
    before = queues()
    async with anyio.create_task_group() as group:
        follower = ahead.Ahead(group, anyio.CapacityLimiter(1))
        looks = 0

        def look() -> bool:
            nonlocal looks
            looks += 1
            return False

        for number in range(ahead.MOST + 1):
            (bench.root / f"folder{number}").mkdir()
            follower.follow(bench.root / f"folder{number}", look)
        await anyio.sleep(0.1)
        (bench.root / f"folder{ahead.MOST}/file").touch()
        await anyio.sleep(0.05)
        assert looks == 0
        with anyio.fail_after(10):
            while not looks:
                (bench.root / "folder0/file").touch()
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert queues() == before


async def test_a_look_that_fails_ends_nothing_but_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = queues()
    await bench.call("git_log")
    await until(lambda: queues() == before + 1)

    def broken(*_: Any) -> bytes:
        raise RecursionError

    with monkeypatch.context() as patched:
        patched.setattr(logged, "told_here", broken)
        sha = await commit(bench, 1)
        await until(lambda: queues() == before)
    assert (await bench.call("git_log")).items[0].sha == sha
