"""A change that is taken apart while git still tells it: the same as the whole, however it comes, and whatever ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.test_kept import gits
from tests.agents.git.varied import COMMITS, clone_or_make

from astro_mcp.workspace.git import arriving, child
from astro_mcp.workspace.git.arriving import Arriving, Change
from astro_mcp.workspace.git.patches import OPTIONS, parse_numstat, parse_patch, same_names
from astro_mcp.workspace.git.waiting import SOON

FILES = 40


@pytest.fixture
def much(bench: Bench) -> Bench:
    """The last commit changes forty files, some 100 KB of patch."""
    for number in range(FILES):
        bench.write(f"many/{number}.txt", "".join(f"{number} of {line}\n" for line in range(100)))
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Many")
    for number in range(FILES):
        bench.write(f"many/{number}.txt", "".join(f"{number} for {line}\n" for line in range(100)))
    bench.git("commit", "-q", "-a", "-m", "Changed")
    return bench


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Parts of 2 KB are taken; the list grows by the bytes that were taken of a change before each."""
    before: list[int] = []
    take = Change.take

    def noting(self: Change, part: bytes) -> None:
        before.append(self.taken)
        take(self, part)

    monkeypatch.setattr(arriving, "STEP", 2048)
    monkeypatch.setattr(child, "PIPE", 4096)  # git can't have said all of it before it is heard
    monkeypatch.setattr(Change, "take", noting)
    return before


def test_however_it_comes_it_is_taken_apart_as_a_whole(tmp_path: Path) -> None:
    root = clone_or_make(tmp_path / "varied", 200_000)
    shas = plain_git(root, "rev-list", "--all").split()[:COMMITS]
    chance = random.Random(3)
    pairs = [(shas[number + 1], shas[number]) for number in range(0, len(shas) - 1, 2)]
    pairs += [tuple(chance.sample(shas, 2)) for _ in range(10)]  # type: ignore[misc]
    for old, new in pairs:
        tree = ("diff-tree", "-r", *OPTIONS, "-z")
        told = plain_bytes(root, *tree, "--raw", "--patch", old, new)
        files, hunks = Change().whole(told)
        assert hunks == parse_patch(told.partition(b"\0\0")[2])
        open_ones = {os.fsdecode(name) for name in same_names(told)}
        counts = parse_numstat(plain_bytes(root, *tree, "--raw", "--numstat", old, new))
        assert [one for one in files if one.path not in open_ones] == [
            one for one in counts if one.path not in open_ones
        ]
        for most in (3, 40, 3000):
            change = Change()
            while change.taken < len(told) and chance.random() > 0.01:
                change.take(told[change.taken : change.taken + chance.randint(1, most)])
            assert change.whole(told) == (files, hunks)


async def test_the_line_by_which_an_answer_ends_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(work: Callable[[], None]) -> None:
        work()

    monkeypatch.setattr(arriving, "STEP", 1)
    told = b":100644 100644 1 2 M\0a\0\0diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n"
    for end in range(len(told)):
        follower = Arriving(at_once, b"one two\n")
        follower.begin()
        await follower.more(bytearray(b"one two\n" + told[:end]))
        await follower.more(bytearray(b"one two\n" + told + b"zz0123456789"))
        assert follower.change.taken <= len(told)
        assert follower.change.whole(told) == Change().whole(told)


def plain_bytes(root: Path, *arguments: str) -> bytes:
    """Git's answer, which may be no UTF-8."""
    ran = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True)
    return ran.stdout


async def test_a_long_diff_is_taken_apart_before_git_ends_and_is_gits(much: Bench, small_steps: list[int]) -> None:
    before = {"from": "HEAD~1", "to": "HEAD"}
    diff = await much.call("git_diff", **before)
    assert len(small_steps) > 5, "it was told in parts"
    plain = [line for line in much.git("diff", "HEAD~1", "HEAD").split("\n") if line[:1] in "+- " and line[:2] != "--"]
    told = [line for hunk in diff.hunks for line in hunk.text.split("\n")[1:]]
    assert told == [line for line in plain if line[:2] != "++" and line]
    assert [(file.path, file.additions, file.deletions) for file in diff.files] == [
        (path, 100, 100) for path in sorted(f"many/{number}.txt" for number in range(FILES))
    ]


async def test_a_part_that_takes_longer_than_most_answers_is_taken_once(
    much: Bench, small_steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = await much.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"})
    take = Change.take

    def slow(self: Change, part: bytes) -> None:
        if not self.taken:
            time.sleep(2 * SOON)  # in a worker thread
        take(self, part)

    monkeypatch.setattr(Change, "take", slow)
    small_steps.clear()
    assert await much.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"}) == quick
    assert small_steps == sorted(set(small_steps)), "no part came twice"


async def test_where_the_git_that_answers_is_killed_another_is_asked_from_the_beginning(
    much: Bench, small_steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await much.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"})
    small_steps.clear()
    more, killed = Arriving.more, False

    async def killing(self: Arriving, said: bytearray) -> None:
        nonlocal killed
        await more(self, said)
        if self.change.taken and not killed:
            killed = True
            for process in gits(much.root):
                os.kill(process, signal.SIGKILL)

    monkeypatch.setattr(Arriving, "more", killing)
    assert await much.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"}) == first
    assert small_steps.count(0) == 2, "what the first one told is void"


async def test_a_call_that_is_cancelled_while_a_part_is_taken_leaves_no_git_and_spoils_no_other(
    much: Bench, small_steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await much.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"})
    take, begun = Change.take, anyio.Event()

    def slow(self: Change, part: bytes) -> None:
        anyio.from_thread.run_sync(begun.set)
        time.sleep(0.1)
        take(self, part)

    with monkeypatch.context() as patch:
        patch.setattr(Change, "take", slow)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: much.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"}))
            await begun.wait()
            asked = gits(much.root)
            tasks.cancel_scope.cancel()
    assert asked, "it was asked"
    assert set(gits(much.root)) < set(asked), "who was asked ended"
    assert await much.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"}) == first
