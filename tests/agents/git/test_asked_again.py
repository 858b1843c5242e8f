"""A commit that is asked for again with the same idempotency key, since its daemon died before anybody was told."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import Bench, dispatching, plain_git
from tests.agents.git.test_crashes import project

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call

ROOT = Path(__file__).parents[3]
KEY = "run_1/commit/1"

# Each fork dies at its n-th fsync, before or right after it, in the middle of the whole call. There are 13: of four
# objects, of their folders (one less where the commit's name begins as another object's does), of the index and the
# branch, and of the index's folder and the branch's. The last one is after the commit.
CHILD = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from astro_mcp.workspace.git import commits
from tests.agents.git.bench import dispatching
from tests.agents.git.killed import fork_for_each
from tests.agents.git.test_asked_again import committed

commits.time = SimpleNamespace(time=lambda: 1_700_000_000)  # one commit in all cases: its name decides what is synced

async def commit(folder, fsync):
    async with dispatching(folder) as dispatcher:
        os.fsync = fsync
        await committed(dispatcher, folder)

fork_for_each(Path(sys.argv[1]), sys.argv[2], commit)
"""


async def committed(dispatcher: Any, folder: Path) -> Any:
    session = Session(Principal("u", Kind.STDIO), Grant(roots=((folder / "project").resolve(),)))
    return (await dispatcher.call(Call(session, "git_commit", {"message": "Once"}, idempotency_key=KEY))).unwrap()


async def asked(bench: Bench, key: str = KEY, **arguments: Any) -> Any:
    return (await bench.dispatcher.call(Call(bench.session, "git_commit", arguments, idempotency_key=key))).unwrap()


async def test_the_same_answer_comes_again_and_there_is_one_commit(bench: Bench) -> None:
    bench.write("src/app.py", "changed\n")
    bench.write("new.txt", "new\n")
    (bench.root / "README.md").unlink()
    first = await asked(bench, paths=["src", "new.txt", "README.md"], message="Once")
    again = await asked(bench, paths=["src", "new.txt", "README.md"], message="Once")
    assert again == first
    assert {(file.change, file.path) for file in again.files} == {
        ("M", "src/app.py"),
        ("A", "new.txt"),
        ("D", "README.md"),
    }
    assert bench.git("rev-list", "--count", "HEAD").strip() == "3"


async def test_it_is_found_where_the_branch_has_gone_on_and_another_one_is_checked_out(bench: Bench) -> None:
    bench.write("new.txt", "new\n")
    first = await asked(bench, message="Once")
    bench.git("commit", "-q", "--allow-empty", "-m", "Later")
    assert (await asked(bench, message="Once")).sha == first.sha
    bench.git("switch", "-q", "-c", "other", "HEAD~2")
    bench.write("other.txt", "other\n")
    assert (await asked(bench, message="Once")).sha == first.sha
    bench.git("switch", "-q", "--detach", first.sha)
    bench.git("branch", "-q", "-D", "main")
    assert (await asked(bench, message="Once")).sha == first.sha
    assert bench.git("status", "--porcelain").split() == ["??", "other.txt"], "nothing more is committed"


async def test_another_call_or_another_session_commits_for_itself(bench: Bench, tmp_path: Path) -> None:
    bench.write("new.txt", "new\n")
    first = await asked(bench, message="Once")
    bench.write("more.txt", "more\n")
    second = await asked(bench, key="run_1/commit/2", message="Twice")
    assert second.sha != first.sha
    bench.write("third.txt", "third\n")
    theirs = Session(Principal("somebody else", Kind.STDIO), bench.session.grant)
    call = Call(theirs, "git_commit", {"message": "Theirs"}, idempotency_key=KEY)
    third: Any = (await bench.dispatcher.call(call)).unwrap()
    assert third.sha not in (first.sha, second.sha)


async def test_one_that_was_noted_and_never_came_to_be_is_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("new.txt", "new\n")
    with monkeypatch.context() as patched:
        patched.setattr("astro_mcp.workspace.git.publish.store_objects", _fails)
        assert (
            await bench.dispatcher.call(Call(bench.session, "git_commit", {"message": "Once"}, idempotency_key=KEY))
        ).error
    assert bench.git("rev-list", "--count", "HEAD").strip() == "2"
    made = await asked(bench, message="Once")
    assert bench.git("rev-parse", "HEAD").strip() == made.sha


def _fails(*_: Any) -> None:
    raise OSError("no space left")


@pytest.mark.parametrize(
    ("moment", "numbers"),
    [
        ("after", (4, 12, 13)),
        *(pytest.param(moment, range(1, 25), marks=pytest.mark.full) for moment in ("after", "before")),
    ],
)
async def test_wherever_the_daemon_is_killed_there_is_one_commit_in_the_end(
    tmp_path: Path, moment: str, numbers: Sequence[int]
) -> None:
    project(tmp_path / "template")
    folders = [tmp_path / "cases" / f"{number:02}" for number in numbers]
    for folder in folders:
        shutil.copytree(tmp_path / "template", folder)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "cases"), moment]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    ends = [int(line) for line in child.stdout.split()]
    killed = [folder for folder, end in zip(folders, ends, strict=True) if end == signal.SIGKILL]
    assert ends == [signal.SIGKILL] * len(killed) + [0] * (len(ends) - len(killed)), child.stderr
    assert {await one_commit(folder) for folder in killed} == {True, False}, "kills fell on both sides of the commit"


async def one_commit(folder: Path) -> bool:
    """Start again after the kill and ask again; whether the killed commit had been made."""
    root = (folder / "project").resolve()
    async with dispatching(folder) as dispatcher:
        made = plain_git(root, "rev-list", "--count", "HEAD").strip() == "2"
        again = await committed(dispatcher, folder)
    assert plain_git(root, "rev-list", "--count", "HEAD").strip() == "2"
    assert plain_git(root, "rev-parse", "HEAD").strip() == again.sha
    assert [file.path for file in again.files] == ["a.txt", "b.txt"]
    assert made or plain_git(root, "status", "--porcelain") == ""
    return made
