"""A repository is hostile data: nothing of it runs, and nothing outside of the roots is read or written through it.

Most traps are first shown to work: plain git falls into them. Then every tool of ours goes through the same
repository, and neither the marker nor the outside text may appear.
"""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from tests.security.trap import Trap, works

from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.errors import TimedOut, Unsupported
from astro_mcp.workspace.git import worktrees
from astro_mcp.workspace.git.child import run_git
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


async def test_fsmonitor_is_not_run(trap: Trap) -> None:
    trap.config("core.fsmonitor", str(trap.script))
    trap.springs("status")
    works(await trap.everything())


async def test_an_external_diff_is_not_run(trap: Trap) -> None:
    trap.config("diff.external", str(trap.script))
    trap.springs("diff")
    works(await trap.everything())


async def test_an_external_diff_driver_and_textconv_are_not_run(trap: Trap) -> None:
    trap.write(".gitattributes", "*.txt diff=evil\n")
    trap.config("diff.evil.textconv", str(trap.script))
    trap.springs("diff")
    trap.config("diff.evil.command", str(trap.script))
    trap.springs("diff")
    works(await trap.everything())


async def test_attributes_of_the_repositorys_own_folder_choose_no_driver(trap: Trap) -> None:
    (trap.root / ".git/info").mkdir(exist_ok=True)
    (trap.root / ".git/info/attributes").write_text("*.txt diff=evil filter=evil\n")
    trap.config("diff.evil.textconv", str(trap.script))
    trap.config("filter.evil.clean", str(trap.script))
    trap.springs("diff")
    works(await trap.everything())


@pytest.mark.parametrize(
    "kind", ["clean", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("smudge", "process"))]
)
async def test_filters_are_not_run(trap: Trap, kind: str) -> None:
    trap.write(".gitattributes", "*.txt filter=evil\n")
    trap.config(f"filter.evil.{kind}", str(trap.script))
    trap.config("filter.evil.required", "false")
    if kind == "smudge":
        trap.git("add", ".gitattributes")
        trap.springs("checkout", "HEAD", "--", "a.txt")
        trap.write("a.txt", "3\n")
    else:
        trap.springs("add", "-A")
        trap.git("reset", "-q", check=False)
        trap.marker.unlink(missing_ok=True)
    results = await trap.everything()
    assert {result.error.code for result in results if result.error} <= {"unsupported", "conflict"}


async def test_hooks_are_not_run(trap: Trap) -> None:
    for name in (
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "post-merge",
        "pre-merge-commit",
        "fsmonitor-watchman",
        "pre-auto-gc",
        "post-rewrite",
    ):  # fmt: skip - a list of names
        hook = trap.root / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_bytes(trap.script.read_bytes())
        hook.chmod(0o755)
    trap.springs("commit", "-q", "--allow-empty", "-m", "x")
    trap.springs("branch", "other")
    works(await trap.everything())


async def test_a_hooks_path_of_the_configuration_is_not_followed(trap: Trap) -> None:
    hooks = trap.outside / "hooks"
    hooks.mkdir()
    (hooks / "reference-transaction").symlink_to(trap.script)
    trap.config("core.hooksPath", str(hooks))
    trap.springs("branch", "other")
    works(await trap.everything())


async def test_programs_of_the_configuration_are_not_run(trap: Trap) -> None:
    for key in (
        "core.pager",
        "pager.log",
        "pager.diff",
        "core.editor",
        "sequence.editor",
        "gpg.program",
        "core.sshCommand",
        "core.askPass",
        "credential.helper",
        "core.gitProxy",
        "uploadpack.packObjectsHook",
        "core.alternateRefsCommand",
        "interactive.diffFilter",
        "merge.x.driver",
        "trailer.x.command",
    ):  # fmt: skip - a list of names
        trap.config(key, str(trap.script))
    for name in ("status", "log", "diff", "show", "blame", "commit-tree", "rev-parse"):
        trap.config(f"alias.{name}", f"!{trap.script}")
    trap.config("commit.gpgSign", "true")
    trap.config("log.showSignature", "true")
    trap.springs("commit", "--allow-empty", "-m", "x")
    works(await trap.everything())


async def test_included_configuration_is_not_read(trap: Trap) -> None:
    evil = trap.outside / "evil.config"
    evil.write_text(f"[core]\n\tfsmonitor = {trap.script}\n[diff]\n\texternal = {trap.script}\n")
    trap.config("include.path", str(evil))
    trap.springs("status")
    trap.config("extensions.worktreeConfig", "true")
    (trap.root / ".git/config.worktree").write_text(evil.read_text())
    trap.springs("status")
    works(await trap.everything())


async def test_the_environment_of_the_daemon_reaches_no_git(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_PAGER", "GIT_EDITOR"):
        monkeypatch.setenv(name, str(trap.script))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(trap.script))
    monkeypatch.setenv("GIT_DIR", str(trap.outside))
    works(await trap.everything())


async def test_a_promisor_remote_is_not_asked(trap: Trap) -> None:
    blob = trap.git("rev-parse", "HEAD~1:a.txt").strip()
    (trap.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    trap.config("core.repositoryFormatVersion", "1")
    trap.config("extensions.partialClone", "evil")
    trap.config("remote.evil.promisor", "true")
    trap.config("remote.evil.url", str(trap.root))
    trap.config("remote.evil.uploadpack", str(trap.script))
    trap.springs("log", "-p")
    trap.git("checkout", "-q", "HEAD", "--", "a.txt", check=False)
    results = await trap.everything()
    assert "unsupported" in {result.error.code for result in results if result.error}


async def test_a_bare_repository_among_the_files_is_not_opened(trap: Trap) -> None:
    trap.git("init", "-q", "--bare", "evil")
    trap.git("config", "--file", str(trap.root / "evil/config"), "core.fsmonitor", str(trap.script))
    trap.git("config", "--file", str(trap.root / "evil/config"), "core.worktree", str(trap.root))
    trap.git("config", "--file", str(trap.root / "evil/config"), "core.bare", "false")
    trap.git("status", folder=trap.root / "evil", check=False)
    assert trap.marker.exists()
    trap.marker.unlink()
    assert {result.error.code for result in await trap.everything("evil") if result.error} == {"unsupported"}
    works(await trap.everything())


async def test_a_submodule_is_not_entered(trap: Trap) -> None:
    inner = trap.root / "sub"
    trap.git("init", "-q", str(inner))
    (inner / "x.txt").write_text("x\n")
    trap.git("add", "-A", folder=inner)
    trap.git("commit", "-q", "-m", "x", folder=inner)
    trap.write(".gitmodules", '[submodule "sub"]\n\tpath = sub\n\turl = ./sub\n\tignore = none\n')
    trap.git("add", "sub", ".gitmodules")
    trap.git("commit", "-q", "-m", "sub")
    trap.git("config", "core.fsmonitor", str(trap.script), folder=inner)
    (inner / "x.txt").write_text("y\n")
    trap.springs("status")
    works(await trap.everything())


async def test_nothing_runs_where_a_worktree_is_made_and_closed(trap: Trap, tmp_path: Path) -> None:
    hooks = trap.outside / "hooks"
    hooks.mkdir()
    for name in (
        "post-checkout",
        "pre-commit",
        "commit-msg",
        "post-commit",
        "reference-transaction",
        "post-index-change",
    ):
        (hooks / name).symlink_to(trap.script)
    trap.write(".gitattributes", "*.txt filter=evil diff=evil merge=evil\n")
    trap.git("add", ".gitattributes")
    trap.git("commit", "-q", "-m", "Attributes")
    for key in (
        "core.fsmonitor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.command",
    ):
        trap.config(key, str(trap.script))
    trap.config("core.hooksPath", str(hooks))
    trap.springs("worktree", "add", "-q", str(trap.outside / "plain"))
    git, settings = Git(Workspace(SecretSettings()), tmp_path / "trees"), GitSettings()
    await worktrees.look(git, trap.session)
    made = await worktrees.make(git, trap.session, "run_1", "", settings)
    assert (made.path / "a.txt").exists()
    (made.path / "new.md").write_text("new\n")
    closed = await worktrees.close(git, trap.session, "run_1", made.base, "Done", settings)
    assert (closed.left, closed.sha != "") == ("", True)
    made = await worktrees.make(git, trap.session, "run_2", "", settings)
    (made.path / "a.txt").write_text("through the filter\n")
    filtered = await worktrees.close(git, trap.session, "run_2", made.base, "Done", settings)
    assert "goes through the filter evil" in filtered.left
    assert not trap.marker.exists(), "a program of the repository ran on this machine"


@pytest.mark.full
async def test_a_tree_that_leaves_its_worktree_is_not_written_out(trap: Trap, tmp_path: Path) -> None:
    blob = trap.git("hash-object", "-w", "a.txt").strip()
    inner = trap.git("mktree", stdin=f"100755 blob {blob}\tpost-checkout\n").strip()
    hostile = trap.git("mktree", stdin=f"040000 tree {inner}\t.git\n").strip()
    commit = trap.git("commit-tree", hostile, "-m", "x").strip()
    trap.git("update-ref", "refs/heads/astro/run_0", commit)
    git = Git(Workspace(SecretSettings()), tmp_path / "trees")
    with pytest.raises(Unsupported):
        await worktrees.make(git, trap.session, "run_1", "run_0", GitSettings())
    assert list((trap.root / ".astro-mcp/runs").iterdir()) == []
    assert trap.git("branch", "--list", "astro/run_1") == ""


async def test_a_git_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimedOut):
        await run_git(["hash-object", "--no-filters", "pipe"], folder=tmp_path, environment={}, seconds=0.5)
    with anyio.move_on_after(0.5) as scope:
        await run_git(["hash-object", "--no-filters", "pipe"], folder=tmp_path, environment={})
    assert scope.cancelled_caught
    left = [path for path in Path("/proc").glob("[0-9]*/cwd") if _target(path) == str(tmp_path)]
    assert left == []


async def test_a_git_that_says_too_much_is_ended(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    ran = await run_git(["diff", "--no-index", "/dev/null", "big"], folder=tmp_path, environment={}, limit=1000)
    assert ran.cut
    assert len(ran.out) == 1000


async def test_a_git_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    data = bytes(64 * 1024 * 1024)
    whole = await run_git(["hash-object", "--stdin"], folder=tmp_path, environment={}, stdin=data)
    assert whole.code == 0
    bounded = await run_git(
        ["hash-object", "--stdin"], folder=tmp_path, environment={}, stdin=data, memory=32 * 1024 * 1024
    )
    assert bounded.code == 128
    assert "emory" in bounded.err


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
