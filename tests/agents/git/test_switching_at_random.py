"""Switches between random trees with random local changes: git and we make the same of them, or both refuse."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.test_switching import put, tree

from astro_mcp.errors import Conflict

NAMES = ["a", "b", "d/a", "d/b", "d/e/a", "a/x", "b/x/y"]
"""Some stand in the way of others."""


def fits(root: Path, name: str) -> bool:
    """Whether no file is above the name, and no folder has it."""
    path = root / name
    above = [root / "/".join(Path(name).parts[:depth]) for depth in range(1, len(Path(name).parts))]
    return not any(p.is_symlink() or p.is_file() for p in above) and (path.is_symlink() or not path.is_dir())


def change(dice: random.Random, root: Path) -> None:
    """One change of one file."""
    name = dice.choice(NAMES)
    path = root / name
    if path.is_symlink() or path.is_file():
        if dice.random() < 0.4:
            path.unlink()
            for folder in path.relative_to(root).parents:
                if folder.parts and not any((root / folder).iterdir()):
                    (root / folder).rmdir()
            return
        if path.is_symlink() or dice.random() < 0.2:
            path.unlink()
            path.symlink_to(dice.choice(["a", "nowhere"]))
            return
    if not fits(root, name):
        return
    put(path, dice.choice(["one\n", "two\n", "three\n"]))
    path.chmod(dice.choice([0o644, 0o644, 0o755]))


def branches(dice: random.Random, root: Path) -> None:
    put(root / "kept", "kept\n")
    for branch in ("other", "main"):
        for _ in range(dice.randrange(1, 7)):
            change(dice, root)
        plain_git(root, "add", "-A")
        plain_git(root, "commit", "-q", "--allow-empty", "-m", branch)
        if branch == "other":
            plain_git(root, "branch", "other")


def local(dice: random.Random, root: Path) -> None:
    for _ in range(dice.choice([0, 1, 2, 3])):
        change(dice, root)
        if dice.random() < 0.3:
            plain_git(root, "add", "-A")


def switched(root: Path) -> bool:
    ran = subprocess.run(["git", "switch", "-q", "other"], cwd=root, capture_output=True, check=False)
    return ran.returncode == 0


@pytest.mark.full
@pytest.mark.parametrize("seed", range(60))
async def test_a_random_switch_is_gits_own(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)
    branches(dice, bench.root)
    local(dice, bench.root)
    twin = bench.root.parent / "twin"
    shutil.copytree(bench.root, twin, symlinks=True)
    before = tree(bench.root), bench.git("ls-files", "-s")
    result = await bench.result("git_branch", action="switch", name="other")
    if switched(twin):
        assert result.error is None, result.error
        assert tree(bench.root) == tree(twin)
        assert bench.git("ls-files", "-s") == plain_git(twin, "ls-files", "-s")
        assert bench.git("status", "--porcelain", "-b") == plain_git(twin, "status", "--porcelain", "-b")
        made: Any = result.unwrap()
        await bench.call("git_undo", recovery_ref=made.recovery_ref)
        assert bench.git("branch", "--show-current").strip() == "main"
    else:
        assert isinstance(result.error, Conflict), result.error
        assert (tree(bench.root), bench.git("ls-files", "-s")) == before
    bench.git("fsck", "--strict")
