"""A status that stands: git's own answer at every moment, whatever is done to the tree between two calls."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from tests.agents.git.bench import Bench
from tests.agents.git.edits import NAMES, Edits

from astro_mcp.config import SecretSettings
from astro_mcp.workspace import openat2
from astro_mcp.workspace.git import standing, watch
from astro_mcp.workspace.git.child import run_git
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.status import current
from astro_mcp.workspace.page_cache import PageCache
from astro_mcp.workspace.workspace import Workspace

RUN = "astro_mcp.workspace.git.repository.run_git"
STEPS = 12


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each git that was started was asked, without its options."""
    found: list[str] = []

    async def run(arguments: Any, **options: Any) -> Any:
        words = [str(one) for one in arguments]
        found.append(" ".join([words[0], *(words[words.index("--") + 1 :] if "--" in words else [])]))
        return await run_git(arguments, **options)

    monkeypatch.setattr(RUN, run)
    return found


def plain(bench: Bench) -> list[tuple[str, ...]]:
    """`git status`, record by record."""
    shown = ["--porcelain=v2", "-z", "--untracked-files=normal", "--renames"]
    ours = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # a refreshed index would be another one
    out = subprocess.run(["git", "status", *shown], cwd=bench.root, env=ours, capture_output=True, check=True).stdout
    found: list[tuple[str, ...]] = []
    records = iter(os.fsdecode(out).split("\0"))
    for record in records:
        words = record.split(" ")
        if record[:1] == "1":
            found.append((words[1], " ".join(words[8:])))
        elif record[:1] == "2":
            found.append((words[1], " ".join(words[9:]), next(records)))
        elif record[:1] == "u":
            found.append(("U", " ".join(words[10:])))
        elif record[:1] == "?":
            found.append(("?", record[2:]))
    return found


async def same(bench: Bench) -> None:
    """The tool tells what git tells, in git's order."""
    shown, told = await bench.call("git_status"), plain(bench)
    staged = [(one[0][0], *one[1:]) for one in told if len(one[0]) == 2 and one[0][0] != "."]
    assert [(one.change, one.path, *([one.former] if one.former else [])) for one in shown.staged] == staged
    unstaged = [(one[0][1], one[1]) for one in told if len(one[0]) == 2 and one[0][1] != "."]
    assert [(one.change, one.path) for one in shown.unstaged] == unstaged
    assert [one.path for one in shown.conflicts] == [one[1] for one in told if one[0] == "U"]
    assert shown.untracked == [one[1] for one in told if one[0] == "?"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 60))])
async def test_whatever_is_done_the_status_is_gits(bench: Bench, seed: int) -> None:
    chance = Random(seed)
    edits = Edits(bench.root, chance)
    for name in NAMES[:6]:
        bench.write(name, "0\n")
    bench.write(".gitignore", "*.log\nig/\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Files")
    for _ in range(STEPS):
        for _ in range(chance.choice([0, 1, 1, 1, 2, 5])):
            edits.one()
        await same(bench)


async def test_where_nothing_happened_git_is_not_asked(bench: Bench, asked: list[str]) -> None:
    for _ in range(3):
        await same(bench)
    assert asked.count("status") == 1
    bench.git("commit", "-q", "--allow-empty", "-m", "Third")
    await same(bench)
    assert asked.count("status") == 2


async def test_a_file_of_the_index_that_was_touched_is_compared_here(bench: Bench, asked: list[str]) -> None:
    await same(bench)
    before = (bench.root / "README.md").read_bytes()
    bench.write("README.md", "# Changed\n")
    await same(bench)
    del asked[:]
    (bench.root / "README.md").chmod(0o755)
    await same(bench)
    (bench.root / "README.md").unlink()
    await same(bench)
    bench.write("README.md", "# Changed\n")
    await same(bench)
    (bench.root / "README.md").write_bytes(before)
    await same(bench)
    assert asked == []


async def test_a_touched_file_that_is_in_memory_needs_no_thread(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await same(bench)
    bench.write("README.md", "# Changed\n")
    await same(bench)
    if not openat2.is_available() or not known_at_once(bench.root):
        pytest.skip("this file system is not read without waiting")
    looked: list[set[str]] = []

    def look(entries: Any, paths: set[str], *rest: Any, **options: Any) -> dict[str, str]:
        looked.append(set(paths))
        return standing.look(entries, paths, *rest, **options)

    monkeypatch.setattr("astro_mcp.workspace.git.status.look", look)
    bench.write("README.md", "# Again\n")
    await same(bench)
    (bench.root / "README.md").chmod(0o755)
    await same(bench)
    assert looked == []
    (bench.root / "README.md").unlink()
    await same(bench)
    (bench.root / "README.md").symlink_to("src/app.py")
    await same(bench)
    bench.write("src/app.py", "x" * 200_000)
    await same(bench)
    assert looked == [{"README.md"}, {"README.md"}, {"src/app.py"}], "what is gone, a link, and what takes long"


def known_at_once(root: Path) -> bool:
    cache = PageCache()
    cache.learn(root)
    return cache.read(root, "README.md", 1_000) is not None


async def test_git_is_asked_about_a_new_file_alone(bench: Bench, asked: list[str]) -> None:
    await same(bench)
    bench.write("src/new.txt", "x\n")
    await same(bench)
    assert asked[-1] == "status src/new.txt"
    del asked[:]
    bench.write("src/new.txt", "y\n")
    await same(bench)
    (bench.root / "src/new.txt").unlink()
    await same(bench)
    assert asked == []
    bench.write("-s*.txt", "x\n")
    await same(bench)
    assert asked == ["status -s*.txt"]


async def test_a_file_that_git_rewrites_is_gits_to_compare(bench: Bench, asked: list[str]) -> None:
    bench.write(".gitattributes", "*.md text eol=lf\n")
    await same(bench)
    bench.write("README.md", "# Project\r\n")
    await same(bench)
    assert asked[-1] == "status README.md"


async def test_what_attributes_do_not_rewrite_is_compared_here(bench: Bench, asked: list[str]) -> None:
    bench.write(".gitattributes", "*.bat text eol=crlf\n*.png binary\n*.py diff=python\n")
    bench.write("run.bat", "echo\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Rules")
    bench.write("README.md", "# Other\n")
    await same(bench)
    bench.write("README.md", "# Another\n")
    await same(bench)
    asked.clear()
    for text in ("# Project\n", "# A third\n"):
        bench.write("README.md", text)
        await same(bench)
    assert asked == []
    bench.write("run.bat", "echo\r\n")
    await same(bench)
    assert asked == ["status run.bat"]
    bench.write(".gitattributes", "* text=auto\n")
    await same(bench)
    bench.write("README.md", "# A third\r\n")
    await same(bench)
    assert asked[-1] == "status README.md"


async def test_an_answer_stands_for_a_time_only(
    bench: Bench, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await same(bench)
    monkeypatch.setattr(standing, "AGE", 0.0)
    await same(bench)
    assert asked.count("status") == 2


@pytest.mark.parametrize("place", ["inotify.tells_all", "inotify.open_queue", "FOLDERS"])
async def test_where_no_watch_can_be_git_is_asked_each_time(
    bench: Bench, asked: list[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def none(*given: object) -> bool:
        if place == "inotify.open_queue":
            raise OSError("too many")
        return False

    monkeypatch.setattr(f"{watch.__name__}.{place}", 1 if place == "FOLDERS" else none)
    for count in range(1, 4):
        bench.write("README.md", f"# {count}\n")
        await same(bench)
        assert asked.count("status") == count


async def test_more_than_a_queue_holds_is_not_overlooked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await same(bench)
    held = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(held // 2 + 10):
        os.utime(bench.root / "README.md", (number, number))
        os.utime(bench.root / "src/app.py", (number, number))
    bench.write("last.txt", "x\n")
    await same(bench)


async def test_folders_that_git_ignores_whole_are_not_watched(
    bench: Bench, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a tree of few folders and many ignored ones has a watch, from the second call on."""
    bench.write(".gitignore", "build/\n")
    for number in range(20):
        bench.write(f"build/{number}/x.o", "x\n")
    monkeypatch.setattr(watch, "FOLDERS", 5)
    for _ in range(4):
        await same(bench)
    assert asked.count("status") == 2
    bench.write("build/1/y.o", "y\n")
    await same(bench)
    assert asked.count("status") == 2
    bench.write(".gitignore", "*.tmp\n")
    await same(bench)
    for place in sorted((bench.root / "build").rglob("*"), reverse=True):
        place.rmdir() if place.is_dir() else place.unlink()
    await same(bench)


async def test_a_file_in_a_folder_that_was_empty_shows_its_folder(bench: Bench) -> None:
    await same(bench)
    (bench.root / "empty/inner").mkdir(parents=True)
    await same(bench)
    bench.write("empty/inner/new.txt", "x\n")
    await same(bench)
    bench.write("empty/other.txt", "x\n")
    await same(bench)


async def test_a_mode_is_a_change_where_the_repository_says_so(bench: Bench) -> None:
    for modes in ("true", "false"):
        bench.git("config", "core.fileMode", modes)
        await same(bench)
        for mode in (0o755, 0o644, 0o755):
            (bench.root / "README.md").chmod(mode)
            await same(bench)


async def test_where_too_much_is_ignored_to_be_told_the_rest_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(arguments: Any, **options: Any) -> Any:
        ran = await run_git(arguments, **options)
        return replace(ran, cut=True) if "--ignored=matching" in arguments else ran

    monkeypatch.setattr(RUN, run)
    bench.write("new.txt", "x\n")
    await same(bench)


async def test_a_call_that_is_cut_off_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await same(bench)
    bench.write("new.txt", "x\n")

    async def run(arguments: Any, **options: Any) -> Any:
        await anyio.sleep_forever()

    with monkeypatch.context() as patched:
        patched.setattr(RUN, run)
        with anyio.move_on_after(0.1):
            await bench.call("git_status")
    await same(bench)


async def test_no_queue_outlives_its_owner(bench: Bench, tmp_path: Path) -> None:
    def queues() -> int:
        places = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        return sum(os.path.lexists(place) and "inotify" in os.readlink(place) for place in places)

    before = queues()
    git = Git(Workspace(SecretSettings()), tmp_path / "kept")
    async with git.keeping():
        for _ in range(3):
            async with git.read(bench.session, ".") as repository:
                assert await current(repository) == []
            (bench.root / f"folder{queues()}").mkdir(exist_ok=True)
        assert queues() == before + 1
    assert queues() == before
