"""`.git/info/exclude` hides what git hides by it, from listings and from both searches, and leads nobody elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.agents.files.house import House
from tests.agents.git.bench import plain_git
from tests.security.outside import Outside

from astro_mcp.agents.files import ripgrep

SECONDS = 20.0


def repository(folder: Path, rules: str = "*.log\n/only-here\n") -> Path:
    """With a file that each rule fits, in two folders, and one that none does."""
    folder.mkdir(parents=True, exist_ok=True)
    plain_git(folder, "init", "-q", "-b", "main")
    (folder / ".git/info/exclude").write_text(rules)
    for name in ("kept.txt", "x.log", "only-here", "deep/x.log", "deep/only-here"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("needle\n")
    return folder


def gits(folder: Path) -> set[str]:
    told = plain_git(folder, "ls-files", "--others", "--exclude-standard", "-z")
    return {path for path in told.split("\0") if path}


async def told(house: House, path: str = ".") -> set[str]:
    """The files that every tool which goes through folders tells, relative to `path`."""
    listed = await house.ok("fs_list", path=path, depth=5)
    names = {item.path for item in listed.items if item.type == "file"}
    tree = await house.ok("fs_search", pattern="needle", path=path)
    assert {hit.path for hit in tree.items} == names
    head = "" if path == "." else f"{path}/"
    return {name.removeprefix(head) for name in names}


@pytest.fixture(params=["ripgrep", "without"])
def searching(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "without":
        monkeypatch.setattr(ripgrep, "program", lambda roots: None)
    elif ripgrep.program([]) is None:
        pytest.skip("there is no ripgrep")
    monkeypatch.setattr(ripgrep, "FEW", 0)
    return str(request.param)


async def test_what_is_excluded_is_in_no_list_and_no_search(house: House, root: Path, searching: str) -> None:
    repository(root)
    assert await told(house) == gits(root) == {"kept.txt", "deep/only-here"}
    assert await told(house, "deep") == {"only-here"}
    whole = await house.ok("fs_list", path=".", depth=5, include_ignored=True)
    assert "deep/x.log" in {item.path for item in whole.items}


async def test_each_repository_below_a_root_has_its_own(house: House, root: Path, searching: str) -> None:
    for name, rules in (("one", "*.log\n"), ("two", "*.txt\n")):
        repository(root / name, rules)
        assert await told(house, name) == gits(root / name)
    assert await told(house) == {f"{name}/{path}" for name in ("one", "two") for path in gits(root / name)}


async def test_a_linked_worktree_goes_by_what_it_shares(house: House, root: Path, searching: str) -> None:
    main = repository(root / "main")
    plain_git(main, "commit", "-q", "--allow-empty", "-m", "Begin")
    plain_git(main, "worktree", "add", "-q", "--detach", str(root / "tree"))
    for name in ("y.log", "y.txt", "only-here"):
        (root / "tree" / name).write_text("needle\n")
    assert await told(house, "tree") == gits(root / "tree") == {"y.txt"}


def _linked_file(git: Path, outside: Path) -> None:
    (git / "info/exclude").symlink_to(outside / "rules")


def _linked_info(git: Path, outside: Path) -> None:
    (git / "info").rmdir()
    (git / "info").symlink_to(outside / "info")


def _linked_git(git: Path, outside: Path) -> None:
    git.rename(git.with_name("moved"))
    git.symlink_to(outside)


def _pipe(git: Path, outside: Path) -> None:
    os.mkfifo(git / "info/exclude")


def _huge(git: Path, outside: Path) -> None:
    with (git / "info/exclude").open("wb") as file:
        file.write(b"*\n")
        file.truncate(1 << 34)


def _elsewhere(git: Path, outside: Path) -> None:
    git.rename(git.with_name("moved"))
    git.write_text(f"gitdir: {outside}\n")


def _shared_elsewhere(git: Path, outside: Path) -> None:
    git.rename(git.with_name("moved"))
    (git.with_name("moved") / "commondir").write_text(f"{outside}\n")
    git.write_text("gitdir: moved\n")


def _a_pipe_for_git(git: Path, outside: Path) -> None:
    git.rename(git.with_name("moved"))
    os.mkfifo(git)


WAYS = [_linked_file, _linked_info, _linked_git, _pipe, _huge, _elsewhere, _shared_elsewhere, _a_pipe_for_git]


@pytest.mark.parametrize("way", WAYS)
async def test_rules_that_lie_elsewhere_or_are_none_hide_nothing(
    house: House, root: Path, tmp_path: Path, way: Callable[[Path, Path], None]
) -> None:
    repository(root)
    outside = tmp_path / "elsewhere"
    (outside / "info").mkdir(parents=True)
    for path in ("rules", "info/exclude"):
        (outside / path).write_text("*\n")
    (root / ".git/info/exclude").unlink()
    way(root / ".git", outside)
    watched = Outside(outside)
    watched.watch()
    with anyio.fail_after(SECONDS):
        listed = await house.ok("fs_list", path=".", depth=5)
    names = {item.path for item in listed.items if item.type == "file" and not item.path.startswith("moved")}
    assert names == {"kept.txt", "x.log", "only-here", "deep/x.log", "deep/only-here"}
    assert watched.touched() == []
