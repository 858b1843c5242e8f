"""Equal to git's own porcelain, on random commits and paths of a repository that has everything.

`ASTRO_GIT_REPOSITORY` names a real one to do the same on, with `--full` on 500 commits and a blob of 100 MB.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from tests.agents.git.bench import Bench, dispatching
from tests.agents.git.varied import clone_or_make

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.errors import TooLarge, Unsupported
from astro_mcp.workspace.git import escapes

SHORT, FULL = 10, 500
FORMAT = "%x00%x00%H%x00%aN%x00%aI%x00%s%x00"
WIDEST = 2000


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    large = 100_000_000 if request.config.getoption("--full") else 60_000
    return clone_or_make(tmp_path_factory.mktemp("varied") / "repository", large).resolve()


@pytest.fixture
async def equal(tmp_path: Path, varied: Path) -> AsyncIterator[Bench]:
    async with dispatching(tmp_path) as dispatcher:
        yield Bench(varied, Session(Principal("u", Kind.STDIO), Grant(roots=(varied,))), dispatcher)


def plain(folder: Path, *arguments: str | bytes) -> bytes:
    """Git's own answer, with its own defaults."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    whole = ["git", "--literal-pathspecs", *arguments]
    return subprocess.run(whole, cwd=folder, env=environment, capture_output=True, check=True).stdout


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def named(data: bytes) -> str:
    return escapes.shown(os.fsdecode(data))


def numbers(out: bytes) -> list[tuple[str, str, int | None, int | None]]:
    """`--numstat -z`, in the order and with the names that git gives."""
    found, fields = [], iter(out.split(b"\0"))
    for field in fields:
        if field.count(b"\t") < 2:
            continue
        added, removed, name = field.lstrip(b"\n").split(b"\t", 2)
        former = b"" if name else next(fields)
        name = name or next(fields)
        counts = (None, None) if added == b"-" else (int(added), int(removed))
        found.append((named(name), named(former), *counts))
    return found


def changed(patch: bytes) -> list[str]:
    """The lines that hunks hold, of all files, each cut where ours are. None of these begins a file or a hunk."""
    found, inside = [], False
    for line in patch.split(b"\n"):
        if line.startswith((b"diff --", b"@@")):
            inside = line.startswith(b"@@")
        elif inside and line[:1] in (b" ", b"+", b"-") and line:
            found.append(text(line[:WIDEST]))
    return found


def ours(hunks: list[object]) -> list[str]:
    lines = [line for hunk in hunks for line in hunk.text.split("\n")[1:]]  # type: ignore[attr-defined]  # of DiffHunk
    return [line.removesuffix(" [line cut]") for line in lines if line[:1] != "\\"]


def sampled(folder: Path, count: int, *words: str) -> list[str]:
    shas = plain(folder, "rev-list", "--all", *words).decode().split()
    return Random(11).sample(shas, min(count, len(shas)))


SAMPLES = pytest.mark.parametrize("count", [SHORT, pytest.param(FULL, marks=pytest.mark.full)])


@SAMPLES
async def test_commits_and_their_changes_are_those_that_git_shows(equal: Bench, count: int) -> None:
    merges = sampled(equal.root, count // 2, "--merges")
    combined = 0
    for sha in dict.fromkeys([*sampled(equal.root, count), *merges]):
        shown = await equal.call("git_show", ref=sha)
        told = plain(equal.root, "show", "-s", "--format=%P%x00%aN <%aE>%x00%aI%x00%B", sha).split(b"\0")
        facts = (" ".join(shown.parents), shown.author, shown.date, shown.message)
        assert facts == (text(told[0]), text(told[1]), text(told[2]), text(told[3]).strip()), sha
        files = [(file.path, file.former, file.additions, file.deletions) for file in shown.files]
        first = ("show", "--format=", "--diff-merges=first-parent", "-l400", "--numstat", "-z")
        assert files == numbers(plain(equal.root, *first, sha)), sha
        if not shown.truncated and not any(file.withheld for file in shown.files):
            assert ours(shown.hunks) == changed(plain(equal.root, "show", "--format=", "-l400", sha)), sha
            combined += sum(hunk.text.startswith("@@@") for hunk in shown.hunks)
    assert combined or count == SHORT, "of many merges some changed something themselves"


@SAMPLES
async def test_two_commits_differ_as_git_says(equal: Bench, count: int) -> None:
    shas = sampled(equal.root, count)
    for one, other in pairwise(shas):
        diff = await equal.call("git_diff", **{"from": one, "to": other})
        files = [(file.path, file.former, file.additions, file.deletions) for file in diff.files]
        if not diff.truncated:
            assert files == numbers(plain(equal.root, "diff", "-l400", "--numstat", "-z", one, other)), (one, other)
        if not diff.truncated and not any(file.withheld for file in diff.files):
            assert ours(diff.hunks) == changed(plain(equal.root, "diff", "-l400", one, other)), (one, other)


@SAMPLES
async def test_a_log_is_gits_from_any_commit_and_of_any_path(equal: Bench, count: int) -> None:
    chance = Random(12)
    for sha in sampled(equal.root, count):
        paths = [path for path in plain(equal.root, "ls-tree", "-r", "-z", "--name-only", sha).split(b"\0") if path]
        for path in [b"", chance.choice(paths) if paths else b""]:
            log = await equal.call("git_log", ref=sha, limit=15, **({"path": named(path)} if path else {}))
            only = [b"--", path] if path else []
            stats = ["--shortstat", "--diff-merges=first-parent", "-l400"]
            shas = plain(equal.root, "log", "--format=%H", sha, *only).decode().split()
            assert (log.total, [item.sha for item in log.items]) == (len(shas), shas[:15]), (sha, path)
            skip = chance.randrange(len(shas) + 2)
            later = {"skip": skip, **({"path": named(path)} if path else {})}
            rest = await equal.call("git_log", ref=sha, limit=15, **later)
            paged = plain(equal.root, "log", "--format=%H", f"--skip={skip}", "-15", sha, *only).decode().split()
            assert (rest.total, [item.sha for item in rest.items]) == (len(shas), paged), (sha, path, skip)
            for item in log.items[:3]:
                told = plain(equal.root, "show", f"--format={FORMAT}", *stats, item.sha, *only).split(b"\0")
                assert (item.author, item.date, item.subject) == tuple(text(part) for part in told[3:6]), item.sha
                sizes = re.findall(rb"(\d+) (file|insertion|deletion)", told[6])
                found = {word: int(number) for number, word in sizes}
                counts = (item.files_changed, item.additions, item.deletions)
                assert counts == tuple(found.get(word, 0) for word in (b"file", b"insertion", b"deletion")), item.sha


@SAMPLES
async def test_files_and_their_lines_are_gits_at_any_commit(equal: Bench, count: int) -> None:
    chance = Random(13)
    for sha in sampled(equal.root, count):
        rows = [row for row in plain(equal.root, "ls-tree", "-r", "-z", "-l", sha).split(b"\0") if row]
        row = chance.choice(rows)
        facts, _, raw = row.partition(b"\t")
        mode, _, _, size = facts.split()
        path = named(raw)
        result = await equal.result("git_show", ref=sha, path=path)
        if mode == b"160000":
            assert isinstance(result.error, Unsupported)
        elif int(size) > 8 * 1024 * 1024:
            assert isinstance(result.error, TooLarge)
        elif result.error is None:
            data = plain(equal.root, "show", os.fsencode(f"{sha}:") + raw)
            shown = result.unwrap().model_dump()
            assert shown["bytes"] == len(data)
            assert shown["content"] == ("" if b"\0" in data[:8000] else text(data))
            if mode == b"100644" and data and b"\0" not in data[:8000]:
                blame = await equal.call("git_show", ref=sha, path=path, blame=True, end_line=40)
                lines = plain(equal.root, "blame", "--porcelain", "-L1,40", sha, "--", raw)
                shas = [line[:40].decode() for line in lines.split(b"\n") if re.match(rb"[0-9a-f]{40} \d+ \d+", line)]
                assert [line.sha for line in blame.lines] == shas, (sha, path)


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.full)])
async def test_status_is_gits_whatever_was_done_to_the_tree(equal: Bench, tmp_path: Path, count: int) -> None:
    """On a clone, whose tree is changed more with each sample, and made clean at another commit at times."""
    chance, clone = Random(14), equal.root / ".clone"
    plain(equal.root, "clone", "-q", str(equal.root), str(clone))
    for number, sha in enumerate(sampled(clone, count)):
        if number % 4 == 0:
            plain(clone, "checkout", "-q", "--force", "--detach" if number % 8 else "-Bback", sha)
        files = [path for path in plain(clone, "ls-files", "-z").split(b"\0") if path]
        for raw in chance.sample(files, min(4, len(files))):
            _done_to(clone, Path(os.fsdecode(raw)), chance)
        for folder in ("loose", f"loose/{number}"):
            (clone / folder).mkdir(exist_ok=True)
        (clone / f"loose/{number}/new.txt").write_text("new\n")
        (clone / f"one-{number}.txt").write_text("new\n")
        status = await equal.call("git_status", repo=".clone")
        found = {("s", item.path, item.change, item.former) for item in status.staged}
        found |= {("u", item.path, item.change, "") for item in status.unstaged}
        found |= {("?", path, "", "") for path in status.untracked}
        assert found == _porcelain(plain(clone, "status", "--porcelain=v2", "-z")), sha
        assert status.sha == sha or number % 4
    subprocess.run(["rm", "-rf", str(clone)], check=True)


def _done_to(clone: Path, path: Path, chance: Random) -> None:
    file = clone / path
    what = chance.randrange(5)
    if not file.is_file() or file.is_symlink():
        return
    if what == 0:
        file.unlink()
    elif what == 1:
        file.write_bytes(file.read_bytes() + b"more\n")
    elif what == 2:
        file.write_bytes(file.read_bytes() + b"staged\n")
        plain(clone, "add", "--", os.fsencode(path))
    elif what == 3:
        plain(clone, "mv", "--", os.fsencode(path), os.fsencode(path) + b"-moved")
    else:
        file.write_bytes(file.read_bytes())  # a time that is new, and nothing else


def _porcelain(out: bytes) -> set[tuple[str, str, str, str]]:
    found, records = set(), iter(out.split(b"\0"))
    for record in records:
        kind = record[:1]
        if kind == b"?":
            found.add(("?", named(record[2:]), "", ""))
        elif kind in (b"1", b"2"):
            parts = record.split(b" ", 8 if kind == b"1" else 9)
            former = next(records) if kind == b"2" else b""
            letters, name = parts[1].decode(), named(parts[-1])
            found |= {("s", name, letters[0], named(former))} if letters[0] != "." else set()
            found |= {("u", name, letters[1], "")} if letters[1] != "." else set()
    return found
