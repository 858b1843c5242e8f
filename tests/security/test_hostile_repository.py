"""A repository is hostile data: nothing of it runs, and nothing outside of the roots is read or written through it.

Most traps are first shown to work: plain git falls into them. Then every tool of ours goes through the same
repository, and neither the marker nor the outside text may appear.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.git.bench import dispatching

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call, Result
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.errors import TimedOut
from astro_mcp.workspace.git.child import run_git

OUTSIDE = "this text lies outside of the roots"


@dataclass
class Trap:
    """`root` is the session's root and the hostile repository; `script` leaves `marker` behind when it is run."""

    root: Path
    outside: Path
    marker: Path
    script: Path
    session: Session
    dispatcher: Dispatcher

    def git(self, *arguments: str, folder: Path | None = None, check: bool = True) -> str:
        who = {f"GIT_{w}_{k}": "a@b" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.outside), "GIT_CONFIG_NOSYSTEM": "1", **who}
        ran = subprocess.run(
            ["git", *arguments],
            cwd=folder or self.root,
            env=environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            errors="replace",
        )  # fmt: skip - one argument after another
        if check and ran.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {ran.stderr}")
        return ran.stdout

    def config(self, key: str, value: str) -> None:
        self.git("config", "--file", str(self.root / ".git/config"), key, value)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def springs(self, *command: str) -> None:
        """Plain git falls into it: the trap is one."""
        self.git(*command, check=False)
        assert self.marker.exists(), f"the trap does not work: git {' '.join(command)}"
        self.marker.unlink()

    async def call(self, tool: str, **arguments: Any) -> Result:
        return await self.dispatcher.call(Call(self.session, tool, arguments))

    async def everything(self, repo: str = ".") -> list[Result]:
        """Every git tool, over everything that could be in the way; nothing may have run or leaked."""
        calls: list[tuple[str, dict[str, Any]]] = [
            ("git_status", {}),
            ("git_log", {}),
            ("git_log", {"path": "a.txt", "grep": "B", "author": "a"}),
            ("git_diff", {}),
            ("git_diff", {"to": "index"}),
            ("git_diff", {"from": "index"}),
            ("git_diff", {"from": "HEAD~1", "to": "HEAD"}),
            ("git_show", {}),
            ("git_show", {"path": "a.txt"}),
            ("git_show", {"path": "a.txt", "blame": True}),
            ("git_branch", {"name": "fresh"}),
            ("git_branch", {"action": "switch", "name": "fresh"}),
            ("git_commit", {"message": "m", "dry_run": True}),
            ("git_commit", {"message": "m", "paths": ["a.txt"]}),
            ("git_commit", {"message": "m"}),
            ("git_status", {}),
        ]
        results = [await self.call(tool, repo=repo, **arguments) for tool, arguments in calls]
        assert not self.marker.exists(), "a program of the repository ran on this machine"
        for result in results:
            said = result.error.text() if result.error else f"{result.unwrap().text()}{result.unwrap().model_dump()}"
            assert OUTSIDE not in said
            assert result.error is None or result.error.code != "internal"
        return results


@pytest.fixture
async def trap(tmp_path: Path) -> AsyncIterator[Trap]:
    root, outside = (tmp_path / "root").resolve(), (tmp_path / "outside").resolve()
    root.mkdir()
    outside.mkdir()
    marker, script = outside / "marker", outside / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\nexit 0\n")
    script.chmod(0o755)
    (outside / "secret.txt").write_text(f"{OUTSIDE}\n")
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    async with dispatching(tmp_path) as dispatcher:
        made = Trap(root, outside, marker, script, session, dispatcher)
        made.git("init", "-q", "-b", "main")
        for number in (1, 2):
            made.write("a.txt", f"{number}\n")
            made.git("add", "-A")
            made.git("commit", "-q", "-m", f"Begin {number}")
        made.write("a.txt", "3\n")
        made.write("untracked.txt", "x\n")
        yield made


def works(results: list[Result]) -> None:
    """Not refused: the trap is passed by, and the repository is read and written all the same."""
    assert [result.error.text() for result in results if result.error and result.error.code != "conflict"] == []


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


@pytest.mark.parametrize("kind", ["clean", "smudge", "process"])
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


async def test_an_outside_working_tree_is_not_followed(trap: Trap) -> None:
    trap.config("core.worktree", str(trap.outside))
    assert "secret.txt" in trap.git("status", "--porcelain", "-uall")
    results = await trap.everything()
    works(results)
    assert "secret.txt" not in results[0].unwrap().text()
    assert "secret.txt" not in trap.git("ls-tree", "-r", "--name-only", "fresh")


async def other_repository(trap: Trap) -> Path:
    other = trap.outside / "other"
    trap.git("init", "-q", "-b", "main", str(other))
    (other / "a.txt").write_text(f"{OUTSIDE}\n")
    trap.git("add", "-A", folder=other)
    trap.git("commit", "-q", "-m", OUTSIDE, folder=other)
    return other


def codes(results: list[Result]) -> set[str]:
    return {result.error.code if result.error else "ok" for result in results}


@pytest.mark.parametrize("how", ["file", "link", "commondir", "chain"])
async def test_a_gitdir_outside_of_the_roots_is_refused(trap: Trap, how: str) -> None:
    other = await other_repository(trap)
    nested = trap.root / "nested"
    nested.mkdir()
    if how == "file":
        (nested / ".git").write_text(f"gitdir: {other}/.git\n")
    elif how == "link":
        (nested / ".git").symlink_to(other / ".git")
    else:
        made = nested / ".git" if how == "commondir" else trap.root / "gitdir"
        made.mkdir()
        (made / "HEAD").write_text("ref: refs/heads/main\n")
        (made / "commondir").write_text(f"{os.path.relpath(other / '.git', made)}\n")
        if how == "chain":
            (nested / ".git").write_text("gitdir: ../gitdir\n")
    assert OUTSIDE in trap.git("log", folder=nested), "the trap does not work"
    assert codes(await trap.everything("nested")) == {"path_denied"}


async def test_a_file_that_names_a_strangers_repository_inside_of_the_root_is_refused(trap: Trap) -> None:
    nested = trap.root / "nested"
    nested.mkdir()
    (nested / ".git").write_text("gitdir: ../.git\n")
    (nested / "a.txt").write_text("planted\n")
    head = trap.git("rev-parse", "HEAD")
    assert codes(await trap.everything("nested")) == {"path_denied"}
    assert trap.git("rev-parse", "HEAD") == head


async def test_alternates_outside_of_the_roots_are_refused_also_behind_others(trap: Trap) -> None:
    other = await other_repository(trap)
    alternates = trap.root / ".git/objects/info/alternates"
    alternates.write_text(f"{other}/.git/objects\n")
    sha = trap.git("rev-parse", "HEAD", folder=other).strip()
    assert OUTSIDE in trap.git("show", sha)
    assert codes(await trap.everything()) == {"path_denied"}
    between = trap.root / "between"
    (between / "info").mkdir(parents=True)
    (between / "info/alternates").write_text(f"{other}/.git/objects\n")
    alternates.write_text("../../between\n")
    assert codes(await trap.everything()) == {"path_denied"}
    alternates.write_text(f'"{other}/.git/objects"\n')
    assert codes(await trap.everything()) == {"unsupported"}


@pytest.mark.parametrize(
    "what",
    [
        "objects",
        "objects/pack",
        "objects/{}",
        "objects/{}/{}",
        "refs",
        "refs/heads",
        "refs/heads/evil",
        "packed-refs",
        "index",
        "HEAD",
        "config",
    ],
)  # fmt: skip - a list of names
async def test_a_link_in_the_place_of_a_part_is_refused(trap: Trap, what: str) -> None:
    other = await other_repository(trap)
    trap.git("gc", "-q")
    trap.git("config", "gc.packRefs", "false")
    sha = trap.git("rev-parse", "HEAD", folder=other).strip()
    what = what.format(sha[:2], sha[2:])
    if what == "packed-refs":
        trap.git("pack-refs", "--all", folder=other)
    if what == "refs/heads/evil":
        trap.git("branch", "evil", folder=other)
    part = trap.root / ".git" / what
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.is_dir() and not part.is_symlink():
        part.rename(trap.outside / "moved")
    part.unlink(missing_ok=True)
    part.symlink_to(other / ".git" / what)
    assert codes(await trap.everything()) == {"path_denied"}


@pytest.mark.parametrize("path", ["../outside/secret.txt", "x/../../outside/secret.txt", ".git/config", "/etc/passwd"])
async def test_an_index_whose_names_leave_the_tree_is_refused(trap: Trap, path: str) -> None:
    placeholder = "z" * len(path)
    trap.write(placeholder, f"{OUTSIDE}\n")
    trap.git("add", placeholder)
    index = trap.root / ".git/index"
    body = index.read_bytes()[:-20].replace(placeholder.encode(), path.encode())
    index.write_bytes(body + hashlib.sha1(body).digest())
    (trap.root / placeholder).unlink()
    assert path in trap.git("ls-files", "-z"), "the trap does not work"
    for tool, arguments in (
        ("git_status", {}),
        ("git_diff", {}),
        ("git_diff", {"from": "index"}),
        ("git_diff", {"to": "index"}),
        ("git_commit", {"message": "m"}),
        ("git_commit", {"message": "m", "paths": ["a.txt"]}),
    ):  # fmt: skip - a list of calls
        result = await trap.call(tool, **arguments)
        assert result.error is not None
        assert result.error.code == "path_denied"


async def test_a_tree_whose_names_leave_it_is_not_committed_upon(trap: Trap) -> None:
    blob = trap.git("rev-parse", "HEAD:a.txt").strip()
    entry = b"100644 ..\0" + bytes.fromhex(blob)
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        cwd=trap.root,
        input=entry,
        capture_output=True,
        check=True,
    )  # fmt: skip - one argument after another
    commit = trap.git("commit-tree", made.stdout.decode().strip(), "-m", "evil").strip()
    trap.git("update-ref", "refs/heads/main", commit)
    result = await trap.call("git_commit", paths=["a.txt"], message="m")
    assert result.error is not None
    assert result.error.code in ("path_denied", "unsupported")


async def test_files_behind_a_linked_folder_are_not_read(trap: Trap) -> None:
    trap.write("dir/secret.txt", "tracked\n")
    trap.git("add", "-A")
    trap.git("commit", "-q", "-m", "dir")
    (trap.root / "dir/secret.txt").unlink()
    (trap.root / "dir").rmdir()
    (trap.root / "dir").symlink_to(trap.outside)
    trap.write("a.txt", "4\n")
    works(await trap.everything())
    assert OUTSIDE not in trap.git("log", "-p", "--all")


async def test_ignore_revs_mailmap_and_grafts_read_nothing_outside(trap: Trap) -> None:
    trap.config("blame.ignoreRevsFile", str(trap.outside / "secret.txt"))
    trap.config("mailmap.file", str(trap.outside / "secret.txt"))
    (trap.root / ".mailmap").symlink_to(trap.outside / "secret.txt")
    (trap.root / ".gitignore").symlink_to(trap.outside / "secret.txt")
    (trap.root / ".git/info").mkdir(exist_ok=True)
    head = trap.git("rev-parse", "HEAD").strip()
    (trap.root / ".git/info/grafts").write_text(f"{head}\n")
    assert trap.git("rev-list", "--count", "HEAD").strip() == "1"
    log = await trap.call("git_log")
    assert log.unwrap().model_dump()["total"] == 2
    works(await trap.everything())


async def test_replaced_objects_are_not_followed(trap: Trap) -> None:
    first, last = trap.git("rev-list", "HEAD").split()[::-1]
    trap.git("replace", last, first)
    assert trap.git("log", "-1", "--format=%s").strip() == "Begin 1"
    shown = await trap.call("git_show")
    assert shown.unwrap().model_dump()["message"] == "Begin 2"


async def test_ref_names_that_no_ref_may_have_are_passed_over(trap: Trap) -> None:
    sha = trap.git("rev-parse", "HEAD").strip()
    for name in ("--output=x", "a\nb", "a b", "x.lock", "y\x1b[31m"):
        (trap.root / ".git/refs/heads" / name).write_text(f"{sha}\n")
    with (trap.root / ".git/packed-refs").open("a") as file:
        file.write(f"{sha} refs/heads/../../../x\n{sha} --exec=touch\n{sha} refs/heads/ok\n")
    works(await trap.everything())
    assert (await trap.call("git_show", ref="ok")).error is None


async def test_a_head_that_names_no_branch_is_refused(trap: Trap) -> None:
    for text in ("ref: ../../outside/secret.txt", "ref: refs/heads/../../config", "ref: refs/heads/a b", OUTSIDE, ""):
        (trap.root / ".git/HEAD").write_text(f"{text}\n")
        assert codes(await trap.everything()) == {"unsupported"}


async def test_reflogs_are_not_written_through_links(trap: Trap) -> None:
    logs = trap.root / ".git/logs/HEAD"
    logs.unlink()
    logs.symlink_to(trap.outside / "secret.txt")
    works(await trap.everything())
    assert (trap.outside / "secret.txt").read_text() == f"{OUTSIDE}\n"


async def test_pipes_in_the_repository_block_nobody(trap: Trap) -> None:
    os.mkfifo(trap.root / "pipe")
    (trap.root / "a.txt").unlink()
    os.mkfifo(trap.root / "a.txt")
    assert codes(await trap.everything()) <= {"ok", "unsupported", "conflict"}
    (trap.root / ".git/shallow").unlink(missing_ok=True)
    os.mkfifo(trap.root / ".git/shallow")
    assert codes(await trap.everything()) == {"path_denied"}


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
