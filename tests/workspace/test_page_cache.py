"""Files that the kernel holds in memory: read on the loop where that is sure not to wait, and never past a guard."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.agents.files.house import open_house, session_of

from astro_mcp.config import SecretSettings
from astro_mcp.errors import AstroError, ProtectedPath
from astro_mcp.workspace import inotify, openat2
from astro_mcp.workspace.page_cache import PageCache
from astro_mcp.workspace.workspace import Workspace

MOST = 1 << 17


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = (tmp_path / "root").resolve()
    (folder / "sub").mkdir(parents=True)
    for name in ("f.txt", "sub/f.txt", "sub/.env", "empty", "zürich"):
        (folder / name).write_bytes(b"" if name == "empty" else b"inside\n")
    (tmp_path / "outside").write_bytes(b"OUTSIDE\n")
    for name, target in {"out": "../outside", "in": "f.txt", "through": "sub", "loop": "loop"}.items():
        (folder / name).symlink_to(target)
    return folder


@pytest.fixture
def known(root: Path) -> PageCache:
    """One that knows the root's file system; skipped where the kernel can't read it so."""
    cache = PageCache()
    cache.learn(root)
    if cache.read(root, "f.txt", MOST) is None:
        pytest.skip("this file system is not read without waiting")
    return cache


PLAIN = ("f.txt", "sub/f.txt", "empty", "zürich")
ODD = ("out", "in", "through/f.txt", "loop", "sub", "missing", "", ".", "/", "..")
ODDER = ("../outside", "sub/../f.txt", "sub//f.txt", "./f.txt", "sub/", "f.txt/x", "a\0b", "\udcff", "x" * 5000)


@pytest.mark.parametrize("path", PLAIN + ODD + ODDER)
def test_what_is_read_at_once_is_what_a_worker_thread_reads(known: PageCache, root: Path, path: str) -> None:
    workspace, session = Workspace(SecretSettings()), session_of(root)
    workspace.read_now(workspace.locate(session, "f.txt"), MOST)
    for asked in (path, f"{root}/{path}"):
        found = workspace.read_at_once(session, asked, MOST)
        try:
            place = workspace.locate(session, asked)
            slow = (place, workspace.read_now(place, MOST))
        except AstroError:
            assert found is None
        else:
            assert found == (slow if path in PLAIN else None)


def test_nothing_is_read_at_once_before_its_file_system_is_known(known: PageCache, root: Path) -> None:
    assert PageCache().read(root, "f.txt", MOST) is None
    assert known.read(root, "f.txt", MOST) == b"inside\n"


def test_a_file_system_of_a_network_or_a_process_is_left_to_the_threads(
    known: PageCache, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inotify, "_LOCAL", frozenset())
    cache = PageCache()
    cache.learn(root)
    assert cache.read(root, "f.txt", MOST) is None


def test_a_file_that_is_not_in_memory_is_left_to_the_threads(known: PageCache, root: Path) -> None:
    assert known.read(root, "f.txt", MOST) is not None
    end = time.monotonic() + 10
    with open(root / "f.txt", "rb") as file:
        while known.read(root, "f.txt", MOST) is not None:  # another processor may hold on to a page for a while
            assert time.monotonic() < end
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    (root / "f.txt").read_bytes()
    assert known.read(root, "f.txt", MOST) == b"inside\n"


def test_a_file_over_the_bound_is_left_to_the_threads(known: PageCache, root: Path) -> None:
    assert known.read(root, "f.txt", 7) == b"inside\n"
    assert known.read(root, "f.txt", 6) is None


def test_a_pipe_is_not_opened(known: PageCache, root: Path) -> None:
    os.mkfifo(root / "pipe")
    with opened(known) as names:
        assert known.read(root, "pipe", MOST) is None
    assert names == ["pipe"]  # a look at it, and no opening
    with pytest.raises(OSError, match="No such device"):  # nobody holds its other end
        os.open(root / "pipe", os.O_WRONLY | os.O_NONBLOCK)


@contextmanager
def opened(known: PageCache) -> Iterator[list[str]]:
    """The paths that are opened below a root meanwhile."""
    names: list[str] = []
    plain = openat2.open_known_beneath

    def open_known_beneath(folder: int, path: str, flags: int) -> int:
        names.append(path)
        return plain(folder, path, flags)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openat2, "open_known_beneath", open_known_beneath)
        yield names


def test_a_file_that_was_swapped_after_the_look_is_left_to_the_threads(known: PageCache, root: Path) -> None:
    (root / "other").write_bytes(b"others\n")
    plain, looks = openat2.open_known_beneath, [1]

    def open_known_beneath(folder: int, path: str, flags: int) -> int:
        descriptor = plain(folder, path, flags)
        if looks:
            looks.pop()
            os.replace(root / "other", root / "f.txt")
        return descriptor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openat2, "open_known_beneath", open_known_beneath)
        assert known.read(root, "f.txt", MOST) is None
    assert known.read(root, "f.txt", MOST) == b"others\n"


def test_a_secret_is_refused_at_once_too(known: PageCache, root: Path) -> None:
    workspace, session = Workspace(SecretSettings()), session_of(root)
    workspace.read_now(workspace.locate(session, "f.txt"), MOST)
    with pytest.raises(ProtectedPath):
        workspace.read_at_once(session, "sub/.env", MOST)


def test_a_relative_path_of_another_root_is_left_to_locate(known: PageCache, root: Path, tmp_path: Path) -> None:
    second = (tmp_path / "second").resolve()
    second.mkdir()
    (second / "only.txt").write_bytes(b"second\n")
    workspace, session = Workspace(SecretSettings()), session_of(root, second)
    workspace.read_now(workspace.locate(session, "f.txt"), MOST)
    assert workspace.read_at_once(session, "only.txt", MOST) is None
    found = workspace.read_at_once(session, str(second / "only.txt"), MOST)
    assert found is not None
    assert (found[0].display, found[1]) == (str(second / "only.txt"), b"second\n")


def test_no_descriptor_is_left_open(known: PageCache, root: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for path in ("f.txt", "missing", "out", "sub"):
        known.read(root, path, MOST)
    assert os.listdir("/proc/self/fd") == before


async def test_a_file_in_memory_costs_no_worker_thread(
    known: PageCache, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path / "data", [root]) as house:
        first = await house.ok("fs_read", path="f.txt")
        monkeypatch.setattr(house.workspace, "quickly", no_thread)
        assert await house.ok("fs_read", path="f.txt") == first
        assert "inside" in (await house.ok("fs_read", paths=["f.txt", "sub/f.txt"])).content


async def no_thread(work: object) -> object:
    raise AssertionError("a worker thread was asked")
