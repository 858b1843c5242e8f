"""Parts of a repository that lie elsewhere, or name what does: nothing outside is read or written through them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from tests.security.trap import OUTSIDE, Trap, codes, works


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


@pytest.mark.parametrize(
    "how", ["file", "chain", *(pytest.param(how, marks=pytest.mark.full) for how in ("link", "commondir"))]
)
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
        "objects/{}/{}",
        "refs/heads/evil",
        "index",
        "config",
        *(
            pytest.param(what, marks=pytest.mark.full)
            for what in ("objects", "objects/pack", "objects/{}", "refs", "refs/heads", "packed-refs", "HEAD")
        ),
    ],
)
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
