"""Counts of folders that are remembered: they stand while the folder does, and never longer."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from astro_mcp.errors import LimitHit
from astro_mcp.workspace import counts, folders, inotify
from astro_mcp.workspace import tree as trees
from astro_mcp.workspace.counts import Counts
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.tree import Tree, tree

LONG_AGO = 1_600_000_000


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with folders that are counted and not listed; what was written just now is at rest."""
    monkeypatch.setattr(trees, "WIDEST", 3)
    monkeypatch.setattr(counts, "MARGIN_SECONDS", -1.0)
    folder = (tmp_path / "root").resolve()
    for name in ("a", "b", "c/d"):
        (folder / name).mkdir(parents=True)
        for number in range(5):
            (folder / name / f"{number}.txt").touch()
    return folder


async def look(root: Path, known: Counts) -> Tree:
    return await anyio.to_thread.run_sync(lambda: tree(Place(root, ""), 50, known))


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each folder that is read for its count."""
    reads: list[int] = []
    plain = os.listdir

    def listdir(descriptor: int) -> list[str]:
        reads.append(descriptor)
        return plain(descriptor)

    monkeypatch.setattr(os, "listdir", listdir)
    return reads


async def test_a_folder_that_did_not_change_is_not_read_again(root: Path, listed: list[int]) -> None:
    known = Counts()
    first = await look(root, known)
    assert [(one.path, one.entries) for one in first.collapsed] == [("a", 5), ("b", 5), ("c/d", 5)]
    listed.clear()
    assert await look(root, known) == first
    assert not listed


async def test_a_tree_with_remembered_counts_is_that_of_one_without(root: Path) -> None:
    chance, known = random.Random(7), Counts()
    for number in range(30):
        await anyio.sleep(0.012)  # longer than a tick of an older kernel's clock
        place = root / chance.choice(["a", "b", "c/d", "new", "c/moved"])
        await anyio.to_thread.run_sync(change, chance, root, place, number)
        assert await look(root, known) == await look(root, Counts())


def change(chance: random.Random, root: Path, place: Path, number: int) -> None:
    files = sorted(place.iterdir()) if place.is_dir() else []
    deed = chance.randrange(5)
    if deed == 0 and files:
        files[0].unlink()
    elif deed == 1 and files:
        files[0].rename(place / f"renamed {number}")
    elif deed == 2 and place.is_dir():
        os.utime(place, (LONG_AGO, LONG_AGO))
        (place / f"hidden {number}").touch()
        os.utime(place, (LONG_AGO, LONG_AGO))  # what it modified can be set back, and not when it changed
    elif deed == 3 and place.is_dir() and not place.with_name("aside").exists():
        place.rename(place.with_name("aside"))
        place.mkdir()
    else:
        place.mkdir(exist_ok=True)
        (place / f"{number}.txt").touch()


async def test_a_folder_whose_time_was_set_back_is_read_again(root: Path) -> None:
    known = Counts()
    for entries in (6, 7):
        (root / "a" / f"{entries}.txt").touch()
        os.utime(root / "a", (LONG_AGO, LONG_AGO))
        found = await look(root, known)
        assert [one.entries for one in found.collapsed if one.path == "a"] == [entries]
        await anyio.sleep(0.012)  # longer than a tick of an older kernel's clock


async def test_a_folder_that_changed_just_now_is_not_remembered(
    root: Path, listed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MARGIN_SECONDS", 2.0)
    known = Counts()
    await look(root, known)
    listed.clear()
    await look(root, known)
    assert len(listed) == 4
    monkeypatch.setattr(time, "time", lambda: LONG_AGO + 1e9)
    await look(root, known)
    listed.clear()
    await look(root, known)
    assert not listed


async def test_where_another_may_change_files_nothing_is_remembered(
    root: Path, listed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inotify, "_LOCAL", frozenset())
    known = Counts()
    await look(root, known)
    listed.clear()
    await look(root, known)
    assert len(listed) == 4


async def test_what_is_remembered_has_a_bound(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST", 2)
    known = Counts()
    first = await look(root, known)
    assert await look(root, known) == first
    assert len(known._known) <= 2


async def test_entries_that_are_remembered_count_for_the_bound_of_a_walk(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Counts()
    await look(root, known)
    monkeypatch.setattr(folders, "MOST", 12)
    with pytest.raises(LimitHit):
        await look(root, known)
