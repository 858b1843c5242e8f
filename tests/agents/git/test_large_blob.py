"""`--full`: a blob of 100 MB, of text and of bytes. Each tool tells what git tells or why not, and the daemon's memory
stays small."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from tests.agents.git.bench import Bench, dispatching, plain_git
from tests.agents.git.test_equal import changed, numbers, ours, plain

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.errors import AstroError, Conflict, TooLarge

SIZE = 100_000_000
ROOM = 96 * 1024 * 1024
"""Bytes by which the process may grow in a call: less than the blob has."""

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def content(kind: str) -> bytes:
    chance = Random(5)
    if kind == "bytes":
        return b"\0" + chance.randbytes(SIZE)
    line = b"%08d" + b" the quick brown fox jumps over the lazy dog" * 9 + b"\n"
    return b"".join(line % chance.randrange(10**8) for _ in range(SIZE // len(line % 0) + 1))


@pytest.fixture(scope="module", params=["text", "bytes"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """main: large came, then grew. `gone` has it no more, and `other` another."""
    root = (tmp_path_factory.mktemp("large") / "project").resolve()
    root.mkdir()
    plain_git(root, "init", "-q", "-b", "main")
    (root / "small.txt").write_text("one\n")
    _commit(root, "Begin")
    (root / "large").write_bytes(content(request.param))
    _commit(root, "Large")
    plain_git(root, "branch", "first")
    with (root / "large").open("ab") as file:
        file.write(b"its last line\n")
    (root / "small.txt").write_text("one\ntwo\n")
    _commit(root, "Larger")
    plain_git(root, "switch", "-q", "-c", "gone")
    (root / "large").unlink()
    _commit(root, "Gone")
    plain_git(root, "switch", "-q", "-c", "other", "first")
    with (root / "large").open("ab") as file:
        file.write(b"another last line\n")
    _commit(root, "Other")
    plain_git(root, "switch", "-q", "main")
    return root


def _commit(root: Path, message: str) -> None:
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", message)


@pytest.fixture
async def large(built: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    async with dispatching(tmp_path) as dispatcher:
        yield Bench(built, Session(Principal("u", Kind.STDIO), Grant(roots=(built,))), dispatcher)
        plain_git(built, "reset", "-q", "--hard", "main")
        assert list((built / ".git").rglob("*.lock")) == [], "a lock was left behind"


@contextmanager
def small_memory(what: str) -> Iterator[None]:
    """The most that this process holds meanwhile, above what it held before."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    yield
    grown = _memory("VmHWM") - before
    assert grown < ROOM, f"{what}: {grown:,} bytes"


def _memory(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def kept(root: Path) -> tuple[str, str, int]:
    objects = sum(path.stat().st_size for path in (root / ".git/objects").rglob("*") if path.is_file())
    return plain_git(root, "rev-parse", "HEAD", "main"), plain_git(root, "status", "--porcelain"), objects


async def refused(bench: Bench, tool: str, kind: type[AstroError], **arguments: object) -> AstroError:
    before = kept(bench.root)
    with small_memory(tool):
        result = await bench.result(tool, **arguments)
    assert isinstance(result.error, kind), (tool, result)
    assert result.error.hint, tool
    assert kept(bench.root) == before
    return result.error


async def test_history_with_a_large_blob_is_read_as_git_tells_it(large: Bench) -> None:
    root = large.root
    binary = (root / "large").open("rb").read(1) == b"\0"
    with small_memory("log"):
        log = await large.call("git_log", path="large")
    assert [item.sha for item in log.items] == plain_git(root, "log", "--format=%H", "--", "large").split()
    for ref, parent in (("HEAD", "HEAD~1"), ("HEAD~1", "HEAD~2"), ("gone", "main")):
        counts = numbers(plain(root, "diff", "--numstat", "-z", parent, ref))
        with small_memory(f"show {ref}"):
            shown = await large.call("git_show", ref=ref)
        with small_memory(f"diff {ref}"):
            diff = await large.call("git_diff", **{"from": parent, "to": ref})
        with small_memory(f"diff by path {ref}"):
            part = await large.call("git_diff", **{"from": parent, "to": ref}, paths=["large"])
        with small_memory(f"counts {ref}"):
            stat = await large.call("git_diff", **{"from": parent, "to": ref}, stat_only=True)
        for found in (shown, diff, stat):
            assert [(file.path, file.former, file.additions, file.deletions) for file in found.files] == counts
        whole = binary or ref == "HEAD"
        assert [found.truncated for found in (shown, diff, part, stat)] == [not whole] * 3 + [False]
        if whole:
            assert ours(shown.hunks) == ours(diff.hunks) == changed(plain(root, "diff", parent, ref))
    for arguments in ({}, {"blame": True, "end_line": 5}):
        error = await refused(large, "git_show", TooLarge, path="large", **arguments)
        assert f"{(root / 'large').stat().st_size:,}" in error.message


async def test_a_large_file_that_changed_is_told_and_not_committed(large: Bench) -> None:
    root = large.root
    with (root / "large").open("ab") as file:
        file.write(b"not committed\n")
    (root / "small.txt").write_text("one\ntwo\nthree\n")
    (root / "new").write_bytes((root / "large").read_bytes())
    with small_memory("status"):
        status = await large.call("git_status")
    assert [(item.path, item.change) for item in status.unstaged] == [("large", "M"), ("small.txt", "M")]
    assert status.untracked == ["new"]
    with small_memory("diff"):
        diff = await large.call("git_diff")
    assert [(file.path, file.former, file.additions, file.deletions) for file in diff.files] == numbers(
        plain(root, "diff", "--numstat", "-z")
    )
    assert ours(diff.hunks) == changed(plain(root, "diff"))
    for arguments in ({}, {"paths": ["large"]}, {"paths": ["new"]}, {"paths": ["new"], "dry_run": True}):
        await refused(large, "git_commit", TooLarge, message="No", **arguments)
    if ids := [hunk.id for hunk in diff.hunks if hunk.path == "large"]:
        await refused(large, "git_commit", TooLarge, message="No", hunk_ids=ids)
    await refused(large, "git_branch", TooLarge, action="switch", name="other")
    head = plain_git(root, "rev-parse", "HEAD").strip()
    ids = [hunk.id for hunk in diff.hunks if hunk.path == "small.txt"]
    with small_memory("commit by hunk"):
        made = await large.call("git_commit", message="Small", hunk_ids=ids)
    assert plain_git(root, "show", "--format=", "--name-only", made.sha).split() == ["small.txt"]
    assert plain_git(root, "status", "--porcelain") == " M large\n?? new\n"
    plain_git(root, "reset", "-q", "--hard", head)
    (root / "new").unlink()


async def test_a_branch_with_a_large_file_is_merged_in_the_mind_and_not_written(large: Bench) -> None:
    with small_memory("preview"):
        seen = await large.call("git_merge_preview", **{"from": "other"})
    assert seen.outcome == "conflicts"
    assert [item.path for item in seen.conflicts] == ["large"]
    await refused(large, "git_merge", Conflict, **{"from": "other"})
    for name in ("first", "other", "gone"):
        await refused(large, "git_branch", TooLarge, action="switch", name=name)
