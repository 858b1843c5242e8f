"""Commits of chosen hunks: exactly these, whatever else changed, and the files stay as they are."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.agents.git import differences
from astro_mcp.errors import Conflict, InvalidInput, ProtectedPath

LINES = [f"line {number}\n" for number in range(60)]


def long_file(bench: Bench, *changed: int, path: str = "long.txt") -> None:
    bench.write(path, "".join(f"changed {n}\n" if n in changed else line for n, line in enumerate(LINES)))


@pytest.fixture
def long(bench: Bench) -> Bench:
    """A file of sixty lines is committed, and three of them changed since, far from one another."""
    long_file(bench)
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Long")
    long_file(bench, 5, 25, 45)
    return bench


async def ids(bench: Bench, **arguments: Any) -> list[str]:
    return [hunk.id for hunk in (await bench.call("git_diff", **arguments)).hunks]


def files(root: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in root.rglob("*") if p.is_file() and ".git" not in p.parts}


async def test_a_hunk_alone_is_committed_and_the_working_tree_is_not_touched(long: Bench) -> None:
    first, second, third = await ids(long)
    before = files(long.root)
    made = await long.call("git_commit", hunk_ids=[second], message="Second")
    assert [(f.path, f.change) for f in made.files] == [("long.txt", "M")]
    assert long.git("show", "HEAD:long.txt") == "".join("changed 25\n" if n == 25 else x for n, x in enumerate(LINES))
    assert files(long.root) == before
    assert await ids(long) == [first, third], "the ids of the others outlive it"
    assert long.git("diff", "--cached", "--name-only") == ""
    await long.call("git_commit", hunk_ids=[first, third], message="Others")
    assert long.git("status", "--porcelain") == ""
    long.git("fsck", "--strict")


async def test_a_hunk_is_committed_by_what_the_text_alone_tells(long: Bench) -> None:
    text = (await long.call("git_diff")).text()
    told = re.findall(r"(?m)^\[(\w+)\] @@ ", text)
    assert told == await ids(long)
    await long.call("git_commit", hunk_ids=told[1:], message="Two")
    assert "+changed 5\n" in long.git("diff")
    assert "] @@" not in (await long.call("git_show")).text(), "those are committed"


@pytest.mark.full
async def test_an_id_that_no_hunk_has_any_more_is_a_conflict_and_nothing_is_committed(long: Bench) -> None:
    first, second, _ = await ids(long)
    long_file(long, 5, 26, 45)
    head = long.git("rev-parse", "HEAD")
    error = (await long.result("git_commit", hunk_ids=[first, second], message="m")).error
    assert isinstance(error, Conflict)
    assert [problem.path for problem in error.problems] == [second]
    assert long.git("rev-parse", "HEAD") == head
    assert (await long.call("git_commit", hunk_ids=[first], message="m")).sha
    assert isinstance((await long.result("git_commit", hunk_ids=[first], message="m")).error, Conflict)


@pytest.mark.full
async def test_an_id_goes_by_content_and_not_by_place(long: Bench) -> None:
    _, second, third = await ids(long)
    path = long.root / "long.txt"
    path.write_text("new first line\n" + path.read_text())
    assert [second, third] == (await ids(long))[-2:]


async def test_two_hunks_that_read_the_same_are_told_apart(bench: Bench) -> None:
    block = [*["same\n"] * 4, "old\n", *["same\n"] * 4, *["fill\n"] * 4]
    bench.write("twice.txt", "".join(block * 2))
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Twice")
    bench.write("twice.txt", "".join(block * 2).replace("old", "new"))
    first, second = await ids(bench)
    assert first != second
    await bench.call("git_commit", hunk_ids=[first], message="First")
    assert bench.git("show", "HEAD:twice.txt").splitlines().index("new") == 4
    assert isinstance((await bench.result("git_commit", hunk_ids=[first], message="m")).error, Conflict)
    await bench.call("git_commit", hunk_ids=[second], message="Second, by the id that it had")
    assert bench.git("status", "--porcelain") == ""


@pytest.mark.full
async def test_what_is_staged_of_other_files_stays_staged_and_a_whole_staged_file_too(long: Bench) -> None:
    long.write("README.md", "staged\n")
    long.git("add", "-A")
    first = (await ids(long, paths=["long.txt"]))[0]
    await long.call("git_commit", hunk_ids=[first], message="m")
    assert long.git("status", "--porcelain").splitlines() == ["M  README.md", "M  long.txt"]
    assert "changed 45" in long.git("show", ":long.txt")


@pytest.mark.full
async def test_a_file_that_is_staged_in_part_is_a_conflict_since_the_commit_would_undo_that(long: Bench) -> None:
    first = (await ids(long))[0]
    text = (long.root / "long.txt").read_text()
    long.write("long.txt", "staged alone\n")
    long.git("add", "long.txt")
    long.write("long.txt", text)
    assert isinstance((await long.result("git_commit", hunk_ids=[first], message="m")).error, Conflict)
    assert long.git("show", ":long.txt") == "staged alone\n"


async def test_new_files_deleted_ones_and_renamed_ones_have_hunks_and_modes_come_with_the_last(long: Bench) -> None:
    long.git("mv", "long.txt", "moved.txt")
    (long.root / "README.md").unlink()
    long.write("added.sh", "one\ntwo\n")
    long.git("add", "-N", "added.sh")
    (long.root / "moved.txt").chmod(0o755)
    hunks = {hunk.id: hunk.path for hunk in (await long.call("git_diff")).hunks}
    moved = [name for name, path in hunks.items() if path == "moved.txt"]
    await long.call("git_commit", hunk_ids=moved[:1], message="Part of the renamed")
    assert long.git("ls-tree", "HEAD", "moved.txt", "long.txt").split()[0::4] == ["100644"]
    await long.call("git_commit", hunk_ids=moved[1:], message="Rest of it")
    assert long.git("ls-tree", "HEAD", "moved.txt").split()[0] == "100755"
    assert long.git("diff", "HEAD", "--name-status").split() == ["D", "README.md", "A", "added.sh"]
    await long.call("git_commit", hunk_ids=[name for name in hunks if name not in moved], message="Others")
    assert long.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "asked",
    [["sub/moved.txt"], *(pytest.param(x, marks=pytest.mark.full) for x in (["long.txt"], ["sub", "long.txt"]))],
)
async def test_a_renamed_file_that_is_asked_for_by_a_name_has_hunks_that_are_committed(
    long: Bench, asked: list[str]
) -> None:
    (long.root / "sub").mkdir()
    long.git("mv", "long.txt", "sub/moved.txt")
    long.write("README.md", "changed\n")
    told = await long.call("git_diff", paths=asked)
    assert [(file.path, file.former, file.additions) for file in told.files] == [("sub/moved.txt", "long.txt", 3)]
    assert (await long.call("git_diff", paths=asked, stat_only=True)).files == told.files
    await long.call("git_commit", hunk_ids=[hunk.id for hunk in told.hunks], message="Renamed")
    assert long.git("show", "--format=", "--name-status", "-M").split()[1:] == ["long.txt", "sub/moved.txt"]
    assert long.git("diff", "HEAD", "--name-only").split() == ["README.md"]


@pytest.mark.full
async def test_a_renamed_file_has_the_same_former_name_whichever_paths_are_asked_for(long: Bench) -> None:
    long_file(long, *range(20), path="alike.txt")
    long.git("add", "alike.txt")
    long.git("commit", "-q", "-m", "Alike", "--", "alike.txt")
    long.git("rm", "-q", "alike.txt")
    long.git("mv", "long.txt", "moved.txt")
    told = await long.call("git_diff", paths=["moved.txt", "alike.txt"])
    assert [(file.path, file.former) for file in told.files] == [("alike.txt", ""), ("moved.txt", "long.txt")]
    assert [hunk.id for hunk in told.hunks] == await ids(long)


async def test_paths_are_told_whole_where_all_that_changed_is_more_than_is_taken_apart(
    long: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    long.write("added.txt", "new\n")
    long.git("add", "--intent-to-add", "added.txt")
    monkeypatch.setattr(differences, "PATCH", 500)
    assert (await long.call("git_diff")).truncated
    told = await long.call("git_diff", paths=["added.txt"])
    assert ([file.path for file in told.files], told.truncated) == (["added.txt"], False)


async def test_a_file_that_is_to_be_added_again_has_hunks_that_are_committed(long: Bench) -> None:
    long.git("rm", "-q", "--cached", "long.txt")
    long.git("add", "--intent-to-add", "long.txt")
    first, *others = await ids(long)
    made = await long.call("git_commit", hunk_ids=[first], message="First")
    assert [(f.path, f.change) for f in made.files] == [("long.txt", "M")]
    assert await ids(long) == others
    assert long.git("status", "--porcelain") == " M long.txt\n"


async def test_lines_without_an_end_are_neither_joined_nor_lost(bench: Bench) -> None:
    bench.write("end.txt", "a")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "End")
    bench.write("end.txt", "a\n" + "b\n" * 200)
    first, second = await ids(bench)
    assert isinstance((await bench.result("git_commit", hunk_ids=[second], message="m")).error, InvalidInput)
    await bench.call("git_commit", hunk_ids=[first], message="m")
    assert bench.git("show", "HEAD:end.txt").startswith("a\nb\n")
    await bench.call("git_commit", hunk_ids=await ids(bench), message="m")
    assert bench.git("status", "--porcelain") == ""


async def test_a_key_in_a_chosen_hunk_is_refused_and_one_in_another_is_not(long: Bench) -> None:
    path = long.root / "long.txt"
    path.write_text(path.read_text().replace("changed 45", "AKIA" + "IOSFODNN7EXAMPLE"))
    first, _, third = await ids(long)
    assert isinstance((await long.result("git_commit", hunk_ids=[third], message="m")).error, ProtectedPath)
    assert (await long.call("git_commit", hunk_ids=[first], message="m")).sha


@pytest.mark.full
async def test_paths_and_hunks_at_once_are_refused(long: Bench) -> None:
    result = await long.result("git_commit", hunk_ids=await ids(long), paths=["long.txt"], message="m")
    assert isinstance(result.error, InvalidInput)


def _any_text(dice: random.Random) -> bytes:
    kinds = [b"a\n", b"b\n", b"c\n", b"\n", b"x\r\n", b"\xff\xfe\n", b"@@ -1,2 +3,4 @@\n", b"-- \n", b"cr\rcr\n"]
    end = dice.choice([b"", b"no end", b"\\ No newline at end of file"])
    return b"".join(dice.choices(kinds, k=dice.randrange(0, 60))) + end


def _changed(dice: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(0, len(lines) + 1)
        lines[at : at + dice.randrange(0, 3)] = dice.choices(
            [b"new", b"", b"a", b"longer line"], k=dice.randrange(0, 3)
        )
    return b"\n".join(lines)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.full) for n in range(2, 25))])
async def test_any_hunks_committed_one_after_another_give_the_working_trees_tree(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)
    names = ["one.txt", "src/two.txt", "na me.txt"]
    for name in names:
        (bench.root / name).write_bytes(_any_text(dice))
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Any")
    for name in names:
        (bench.root / name).write_bytes(_changed(dice, (bench.root / name).read_bytes()))
    before = files(bench.root)
    while left := await ids(bench):
        chosen = dice.sample(left, dice.randrange(1, len(left) + 1))
        result = await bench.result("git_commit", hunk_ids=chosen, message="Some")
        if isinstance(result.error, InvalidInput):  # lines without an end go together
            result = await bench.result("git_commit", hunk_ids=left, message="All")
        assert result.error is None, result.error
    assert files(bench.root) == before
    assert bench.git("status", "--porcelain") == ""
    assert bench.git("diff", "HEAD") == ""
    bench.git("fsck", "--strict")
