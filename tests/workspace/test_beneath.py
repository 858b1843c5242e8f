"""One suite over both ways to open below a root: by the kernel's openat2, and by a walk of our own."""

from __future__ import annotations

import ctypes
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import anyio.to_thread
import pytest
from tests.agents.files.house import listing

from astro_mcp.errors import AstroError, Conflict, InvalidInput, NotFound, PathDenied
from astro_mcp.workspace import openat2
from astro_mcp.workspace.actions import ABSENT, Put, Rename
from astro_mcp.workspace.content import read_file, status_of
from astro_mcp.workspace.executor import carry_out, look, perform
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.planning import Write, plan
from astro_mcp.workspace.walk import Entry, walk

OUTSIDE = b"OUTSIDE\n"
PATIENCE = 30.0
"""Seconds that a race goes on for until it went both ways: on a busy machine one of the two rarely has its turn."""


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "openat2" and not openat2.is_available():
        pytest.skip("this kernel has no openat2 for us")
    monkeypatch.setattr(openat2, "is_available", lambda: request.param == "openat2")
    return str(request.param)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    for name in ("f.txt", "sub/f.txt"):
        (folder / name).write_bytes(OUTSIDE)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = (tmp_path / "root").resolve()
    (folder / "real" / "sub").mkdir(parents=True)
    for name in ("real/f.txt", "real/sub/f.txt"):
        (folder / name).write_bytes(b"inside\n")
    return folder


def refusal(work: Callable[[], object]) -> AstroError:
    with pytest.raises(AstroError) as caught:
        work()
    return caught.value


def write(place: Place, data: bytes) -> None:
    """As `Changes.apply` does, without a journal."""
    made = plan([Write(place, data)], ReadGuard())
    carry_out(made.actions, made.contents, "undo_test")


def test_a_file_below_folders_is_read_and_replaced(root: Path) -> None:
    place = Place(root, "real/sub/f.txt")
    assert read_file(place, 100)[0] == b"inside\n"
    write(place, b"new\n")
    assert status_of(place).st_size == 4


@pytest.mark.parametrize("target", ["/etc", "..", "real", "real/sub"])
def test_a_link_on_the_way_is_refused_wherever_it_leads(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    for path in ("link/f.txt", "link/sub/f.txt", "link/missing"):
        place = Place(root, path)
        works: list[Callable[[], object]] = [partial(read_file, place, 100), partial(write, place, b"x")]
        for work in works:
            assert isinstance(refusal(work), PathDenied), path


def test_a_link_at_the_end_is_no_file(root: Path, outside: Path) -> None:
    (root / "real" / "link").symlink_to(outside / "f.txt")
    assert isinstance(refusal(lambda: read_file(Place(root, "real/link"), 100)), PathDenied)


def test_a_link_of_proc_is_not_followed(tmp_path: Path) -> None:
    """`/proc/PID/cwd` leads out of the folder by the kernel's own magic, not by a path."""
    place = Place(Path(f"/proc/{os.getpid()}"), "cwd/pyproject.toml")
    assert isinstance(refusal(lambda: read_file(place, 100)), PathDenied)


def test_what_is_missing_or_no_folder_is_told_alike(root: Path) -> None:
    for path in ("missing/f.txt", "real/f.txt/x", "real/sub/f.txt/x/y"):
        assert isinstance(refusal(partial(read_file, Place(root, path), 100)), NotFound), path
    assert isinstance(refusal(lambda: read_file(Place(root, "x" * 300 + "/f"), 100)), InvalidInput)


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "link").symlink_to("real")
    before = os.listdir("/proc/self/fd")
    for path in ("real/sub/f.txt", "link/f.txt", "missing/x/y", "real/f.txt/x"):
        try:
            read_file(Place(root, path), 100)
        except AstroError:
            continue
    assert os.listdir("/proc/self/fd") == before


@contextmanager
def swapping(*pairs: tuple[Path, Path]) -> Iterator[None]:
    """Somebody who exchanges the two of each pair until the end: at times as fast as the system can, at times with a
    moment in which a write comes to its end."""
    names = [(os.fsencode(one), os.fsencode(other)) for one, other in pairs]
    over = threading.Event()
    libc, chance = ctypes.CDLL(None), random.Random(1)

    def swap() -> None:
        while not over.is_set():
            for one, other in names:
                libc.renameat2(-100, one, -100, other, 2)  # AT_FDCWD, RENAME_EXCHANGE
            over.wait(chance.choice([0.0, 0.0, 0.001, 0.02]))

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def attempt(outcomes: Counter[str], name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except (PathDenied, NotFound, Conflict, InvalidInput) as error:  # InvalidInput: a link where a file is replaced
        outcomes[f"{name} {error.code}"] += 1
    else:
        outcomes[f"{name} ok"] += 1


def race(root: Path, outside: Path, rounds: int) -> Counter[str]:
    """Read, list, write and move where folders and files turn into links that lead out, and back."""
    (root / "way").symlink_to(outside)
    (root / "real" / "sub" / "out").symlink_to(outside / "f.txt")
    (root / "put").mkdir()
    file, deep = Place(root, "real/f.txt"), Place(root, "real/sub/f.txt")
    outcomes: Counter[str] = Counter()

    def read(place: Place) -> None:
        assert read_file(place, 100)[0] != OUTSIDE

    def listed() -> None:
        for entry in walk(Place(root, "real"), include_ignored=True):
            assert isinstance(entry, Entry)
            assert "outside" not in entry.path

    def moved() -> None:
        state = look(file)[0]
        if state != ABSENT:
            perform(Rename(file, Place(root, "put/f.txt"), state), {}, "undo_test")
            perform(Rename(Place(root, "put/f.txt"), file, state), {}, "undo_test")

    def made(number: int) -> None:
        place = Place(root, f"real/new{number}.txt")
        write(place, b"new\n")
        perform(Put(place, look(place)[0], ABSENT), {}, "undo_test")

    until = time.monotonic() + PATIENCE
    with swapping((root / "real", root / "way"), (root / "real/sub/f.txt", root / "real/sub/out")):
        for number in count():
            if number >= rounds and (went_both_ways(outcomes) or time.monotonic() > until):
                break
            attempt(outcomes, "read", lambda: read(file))
            attempt(outcomes, "deep", lambda: read(deep))
            attempt(outcomes, "write", partial(write, deep, b"inside %d\n" % number))
            attempt(outcomes, "list", listed)
            attempt(outcomes, "make", partial(made, number))
            if number % 5 == 0:
                attempt(outcomes, "move", moved)
    return outcomes


async def holds(root: Path, outside: Path, rounds: int) -> None:
    before = listing(outside)
    outcomes = await anyio.to_thread.run_sync(race, root, outside, rounds)
    assert listing(outside) == before
    assert went_both_ways(outcomes), outcomes


def went_both_ways(outcomes: Counter[str]) -> bool:
    """Whether the race was one."""
    return all(outcomes[f"{name} {end}"] for name in ("read", "write", "list") for end in ("ok", "path_denied"))


async def test_a_link_swapped_in_wins_no_race(root: Path, outside: Path) -> None:
    await holds(root, outside, 150)


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_a_link_swapped_in_wins_none_of_thousands_of_races(root: Path, outside: Path) -> None:
    await holds(root, outside, 5_000)
