"""The files of a commit, as linters get them: git's own bytes, of a repository that is a trap, too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.security.trap import Trap

from astro_mcp.config import SecretSettings
from astro_mcp.errors import TooLarge, Unsupported
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.revisions import commit_of
from astro_mcp.workspace.git.trees import TreeFile, files_of
from astro_mcp.workspace.workspace import Workspace


async def files(
    trap: Trap, ref: str = "HEAD", known: Mapping[str, bytes] | None = None, *paths: str, most: int = 1_000
) -> dict[str, TreeFile]:
    """The files of `ref`, by path; nothing of the repository may have run."""
    git = Git(Workspace(SecretSettings()), trap.outside.parent / "rooms")
    async with git.open(trap.session, ".") as repository:
        commit = await commit_of(repository, ref)
        found = await files_of(repository, commit, paths, known=known or {}, max_files=most, max_bytes=10_000_000)
    assert not trap.marker.exists(), "a program of the repository ran on this machine"
    return {file.path: file for file in found}


def odd_tree(trap: Trap) -> None:
    """Every kind of entry that a tree can have."""
    (trap.root / "crlf.txt").write_bytes(b"a\r\nb\r\n")
    (trap.root / "binary.bin").write_bytes(bytes(range(256)) * 10)
    (trap.root / "empty").touch()
    trap.write("deep/er/ü.txt", "x\n")
    trap.write("run.sh", "#!/bin/sh\n")
    (trap.root / "run.sh").chmod(0o755)
    Path(os.fsdecode(os.fsencode(trap.root) + b"/\xff.txt")).write_text("no UTF-8")
    (trap.root / "deep/link.txt").symlink_to("../crlf.txt")
    (trap.root / "out.txt").symlink_to(trap.outside)
    (trap.root / "up.txt").symlink_to("../../../../etc/passwd")
    (trap.root / "loop.txt").symlink_to("loop.txt")
    trap.write(".env", "TOKEN=1\n")
    trap.git("add", "-A")
    trap.git("commit", "-qm", "odd")


async def test_files_are_gits_own_bytes_and_links_lead_nowhere_but_into_the_tree(trap: Trap) -> None:
    odd_tree(trap)
    found = await files(trap)
    assert {"crlf.txt", "binary.bin", "empty", "deep/er/ü.txt", "run.sh", "deep/link.txt"} <= found.keys()
    assert not {"out.txt", "up.txt", "loop.txt", ".env"} & found.keys()
    assert all(path.isprintable() for path in found)
    for path, file in found.items():
        assert file.data == (trap.root / path).read_bytes(), path
        assert file.executable == (path == "run.sh")
    below = await files(trap, "HEAD", None, "deep")
    assert below.keys() == {"deep/er/ü.txt"}, "the link leads to a file that was not asked for"


async def test_bytes_that_are_known_are_taken_only_where_they_are_the_same(trap: Trap) -> None:
    odd_tree(trap)
    wrong = {"crlf.txt": b"A\r\nb\r\n", "empty": b"", "binary.bin": (trap.root / "binary.bin").read_bytes()}
    found = await files(trap, "HEAD", wrong)
    assert found["crlf.txt"].data == b"a\r\nb\r\n"
    assert found["binary.bin"].data is wrong["binary.bin"]


async def test_no_filter_and_no_driver_runs(trap: Trap) -> None:
    trap.write(".gitattributes", "*.txt filter=evil diff=evil text eol=crlf working-tree-encoding=utf-16\n")
    for key in ("filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "core.fsmonitor"):
        trap.config(key, str(trap.script))
    trap.springs("checkout", "HEAD", "--", "a.txt")
    assert (await files(trap))["a.txt"].data == trap.git("cat-file", "blob", "HEAD:a.txt").encode()


async def test_an_object_that_is_missing_is_not_fetched(trap: Trap) -> None:
    blob = trap.git("rev-parse", "HEAD:a.txt").strip()
    (trap.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    trap.config("core.repositoryFormatVersion", "1")
    trap.config("extensions.partialClone", "evil")
    trap.config("remote.evil.promisor", "true")
    trap.config("remote.evil.url", str(trap.root))
    trap.config("remote.evil.uploadpack", str(trap.script))
    trap.springs("cat-file", "blob", "HEAD:a.txt")
    with pytest.raises(Unsupported):
        await files(trap)
    assert not trap.marker.exists()


async def test_names_that_leave_the_tree_are_left_out(trap: Trap) -> None:
    blob = trap.git("rev-parse", "HEAD:a.txt").strip()
    inner = trap.git("mktree", stdin=f"100644 blob {blob}\tx.txt\n").strip()
    raw = b"40000 ..\0" + bytes.fromhex(inner) + b"40000 .git\0" + bytes.fromhex(inner)
    (trap.outside.parent / "raw").write_bytes(raw)
    tree = trap.git("hash-object", "-t", "tree", "-w", "--literally", str(trap.outside.parent / "raw")).strip()
    commit = trap.git("commit-tree", tree, "-m", "evil").strip()
    assert "../x.txt" in trap.git("ls-tree", "-r", "--name-only", commit)
    assert await files(trap, commit) == {}


async def test_a_tree_that_is_too_large_is_refused(trap: Trap) -> None:
    odd_tree(trap)
    with pytest.raises(TooLarge):
        await files(trap, most=2)
