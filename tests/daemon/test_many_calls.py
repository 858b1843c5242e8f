"""A hundred calls of every kind at once on the same few files: no update is lost and no file is torn, by a model of
each file; and so it is when the daemon is killed in the middle."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections import Counter

import pytest

from .chains import NOTHING, Step, is_a_chain
from .home import PATIENCE, Home, alive, until
from .mixed import PATHS, Caller, Onlooker, World

HOSTS = 4
AT_ONCE = 25
AUTHOR = ("-c", "user.name=x", "-c", "user.email=x@x")


def git(at: Home, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=at.project, check=True, capture_output=True).stdout


def on_disk(at: Home, world: World) -> dict[str, str]:
    """The digest of every file. There are no others, and each is whole: somebody wrote exactly this."""
    found = {
        path.relative_to(at.project).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in at.project.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    assert set(found) <= set(PATHS), "no temporary file stays"
    assert set(found.values()) <= set(world.contents), "no file is torn"
    return {path: found.get(path, NOTHING) for path in PATHS}


def committed(at: Home) -> set[str]:
    """The digests of all files in all commits."""
    blobs = {line.split()[0] for line in git(at, "rev-list", "--all", "--objects").decode().splitlines() if " " in line}
    kinds = [blob for blob in blobs if git(at, "cat-file", "-t", blob).strip() == b"blob"]
    return {hashlib.sha256(git(at, "cat-file", "blob", blob)).hexdigest() for blob in kinds}


def load(at: Home, world: World, total: int, seed: int, *, kill_after: float | None = None) -> None:
    callers = [Caller(at, world, AT_ONCE, total, seed * HOSTS + number) for number in range(HOSTS)]
    onlooker = Onlooker(at, world)
    for thread in (onlooker, *callers):
        thread.start()
    if kill_after is not None:
        until(lambda: sum(map(len, world.steps.values())) > 20)
        time.sleep(kill_after)
        pid = at.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))
    for caller in callers:
        caller.join(PATIENCE)
        assert not caller.is_alive()
        assert caller.broken is None, caller.broken
    onlooker.over.set()
    onlooker.join(PATIENCE)
    at.end_hosts()
    assert world.strange == []
    assert onlooker.whole


def check(at: Home, world: World) -> None:
    last = on_disk(at, world)
    for path in PATHS:
        assert is_a_chain(world.steps[path], NOTHING, last[path]), (path, last[path], world.steps[path])
    assert committed(at) <= set(world.contents)


def begin(at: Home) -> World:
    git(at, "init", "--quiet")
    git(at, *AUTHOR, "commit", "--quiet", "--allow-empty", "-m", "first")
    git(at, "config", "user.name", "x")
    git(at, "config", "user.email", "x@x")
    return World()


def test_a_hundred_calls_at_once_lose_no_update_and_tear_no_file(at: Home) -> None:
    world = begin(at)
    load(at, world, total=75, seed=1)
    check(at, world)
    done = Counter({kind.split()[0]: n for kind, n in world.outcomes.items() if kind.endswith(" ok")})
    assert {"read", "create", "list", "search"} <= set(done), world.outcomes
    assert {"write", "edit", "move", "delete", "undo"} & set(done), world.outcomes
    assert any(kind.endswith(" conflict") for kind in world.outcomes), "they met"


def test_so_it_is_when_the_daemon_is_killed_in_the_middle(at: Home) -> None:
    killed(at, rounds=1)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_so_it_is_however_often_it_is_killed(at: Home) -> None:
    killed(at, rounds=20)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_thousands_of_calls_lose_no_update_and_tear_no_file(at: Home) -> None:
    world = begin(at)
    load(at, world, total=700, seed=100)
    check(at, world)


def killed(at: Home, rounds: int) -> None:
    world = begin(at)
    for number in range(rounds):
        load(at, world, total=100_000, seed=number, kill_after=0.05 * (number % 10))
        host = at.host()
        assert host.begin() is not None  # the next start takes back what was interrupted
        said = host.call("fs_list", {"path": "."})
        assert not said["isError"], said
        at.end_hosts()
        check(at, world)
        last = on_disk(at, world)
        world.steps = {path: [] for path in PATHS}
        for path, sha256 in last.items():
            world.note(((path, NOTHING, sha256),), 0.0, 0.0)


def test_the_model_sees_a_lost_update_a_stale_read_and_a_change_that_is_gone() -> None:
    one, two = Step("", "a", 0, 1), Step("a", "b", 2, 3)
    assert is_a_chain([one, two], "", "b")
    assert not is_a_chain([one, two, Step("a", "c", 2, 3)], "", "c"), "two from one"
    assert not is_a_chain([one, two, Step("a", "a", 4, 5)], "", "b"), "read after it was replaced"
    assert is_a_chain([one, two, Step("a", "a", 2.5, 5)], "", "b"), "read while it was replaced"
    assert not is_a_chain([one, two], "", "a"), "acknowledged and gone"
    assert is_a_chain([one, Step("a", "b", 2, 9, sure=False)], "", "a")
    assert is_a_chain([one, Step("a", "b", 2, 9, sure=False)], "", "b")
    assert is_a_chain([one, two, Step("b", "a", 4, 5), Step("a", "b", 6, 7)], "", "b"), "undone and done again"
    assert not is_a_chain([Step("a", "b", 2, 3), Step("", "a", 4, 5)], "", "b"), "against the clock"
