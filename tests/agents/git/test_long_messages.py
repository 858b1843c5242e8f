"""A commit whose message is as long as a repository likes hides no other commit, and is told itself."""

from __future__ import annotations

from typing import Any

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.agents.git import shows
from astro_mcp.errors import TooLarge
from astro_mcp.workspace.git import fresh, logged

ROOM = 100_000


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """As 32 MB and 8 MB are to a message of 40 MB."""
    monkeypatch.setattr(logged, "ROOM", ROOM)
    monkeypatch.setattr(shows, "PATCH", ROOM)


def commit(bench: Bench, message: str) -> str:
    sha = bench.git("commit-tree", "-p", "HEAD", bench.git("write-tree").strip(), stdin=message).strip()
    bench.git("reset", "-q", "--soft", sha)
    return sha


@pytest.mark.parametrize("arguments", [{}, {"path": "src/app.py"}, {"limit": 2, "skip": 1}])
async def test_a_log_has_every_commit_however_long_their_subjects_are(bench: Bench, arguments: dict[str, Any]) -> None:
    for number in range(7):
        bench.write("src/app.py", f"{number}\n")
        bench.git("add", "-A")
        commit(bench, ("long " * ROOM if number in (2, 3) else f"{number} " * 10_000).strip())
    log = await bench.call("git_log", **arguments)
    only = ["--", arguments["path"]] if "path" in arguments else []
    whole = bench.git("log", "--format=%H", *only).split()
    part = whole[arguments.get("skip", 0) :][: arguments.get("limit", 500)]
    assert [item.sha for item in log.items] == part
    assert all(item.files_changed for item in log.items)
    assert {item.author for item in log.items} == {"A U Thor"}
    assert max(len(item.subject) for item in log.items) <= fresh.FIELD + 1, "told in part"


async def test_a_commit_with_too_long_a_message_is_not_called_missing(bench: Bench) -> None:
    commit(bench, "Subject\n\n" + "line\n" * ROOM)
    result = await bench.result("git_show")
    assert isinstance(result.error, TooLarge)
    assert (await bench.call("git_log")).items[0].subject == "Subject"


async def test_of_a_commit_with_very_many_parents_little_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bytes] = []
    whole = logged._logged

    def watched(sha: str, record: bytes) -> logged.Logged:
        kept.append(record)
        return whole(sha, record)

    monkeypatch.setattr(logged, "_logged", watched)
    text = bench.git("cat-file", "commit", "HEAD")
    many = text.replace("parent ", f"parent {bench.git('rev-parse', 'HEAD~1').strip()}\n" * 1_000 + "parent ", 1)
    sha = bench.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=many).strip()
    bench.git("reset", "-q", "--soft", sha)
    assert (await bench.call("git_log")).total == 2
    assert max(map(len, kept)) < 1_000
    parents = (await bench.call("git_show")).parents
    assert len(parents) == 1_001


async def test_a_long_subject_of_a_commit_that_was_just_made_is_told_in_part(bench: Bench) -> None:
    await bench.call("git_log")
    bench.git("commit", "-q", "--allow-empty", "-F", "-", stdin="x" * 50_000)
    assert len((await bench.call("git_log")).items[0].subject) == fresh.FIELD + 1
