"""fs_write, fs_edit, fs_move, fs_delete, fs_undo: what they do, and that they do all of it or nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.files.house import House, listing, open_house, session_of
from tests.quickest import within

from astro_mcp.errors import Ambiguous, Conflict, InvalidInput, NotFound, PathDenied, TooLarge

Tree = dict[str, bytes]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_writing_makes_the_file_and_its_folders(house: House, root: Path) -> None:
    wrote = await house.ok("fs_write", path="new/deep/file.txt", content="héllo\n")
    assert (root / "new/deep/file.txt").read_bytes() == "héllo\n".encode()
    assert wrote.sha256 == sha("héllo\n".encode())
    assert wrote.undo_id.startswith("undo_")


async def test_writing_keeps_the_mode_and_leaves_no_temporary_file(house: House, root: Path) -> None:
    script = root / "run.sh"
    script.write_text("old\n")
    script.chmod(0o750)
    await house.ok("fs_write", path="run.sh", content="new\n")
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert [path.name for path in root.iterdir()] == ["run.sh"]


async def test_create_only_does_not_replace(house: House, tree: Tree, root: Path) -> None:
    error = await house.refused("fs_write", path="README.md", content="x", create_only=True)
    assert isinstance(error, Conflict)
    assert listing(root) == tree


async def test_a_stale_digest_is_a_conflict_and_changes_nothing(house: House, tree: Tree, root: Path) -> None:
    error = await house.refused("fs_write", path="README.md", content="x", if_match=sha(b"stale"))
    assert isinstance(error, Conflict)
    assert sha(tree["README.md"]) in error.text()
    others: list[tuple[str, dict[str, Any]]] = [("fs_move", {"to": "b.md"}), ("fs_delete", {})]
    for tool, args in others:
        assert isinstance(await house.refused(tool, path="README.md", if_match=sha(b"stale"), **args), Conflict)
    edits = [{"path": "README.md", "old": "Hello", "new": "Bye"}]
    assert isinstance(await house.refused("fs_edit", edits=edits, if_match=sha(b"stale")), Conflict)
    assert listing(root) == tree
    await house.ok("fs_write", path="README.md", content="x", if_match=sha(tree["README.md"]))


async def test_writing_the_same_again_is_no_change(house: House, tree: Tree) -> None:
    again = await house.ok("fs_write", path="README.md", content=tree["README.md"].decode(), if_match=sha(b"stale"))
    assert again.undo_id == ""
    assert isinstance(await house.refused("fs_undo", last=True), NotFound)


async def test_an_edit_replaces_one_place(house: House, tree: Tree, root: Path) -> None:
    done = await house.ok("fs_edit", edits=[{"path": "README.md", "old": "world", "new": "reader"}])
    assert (root / "README.md").read_text() == "# Project\n\nHello, reader.\n"
    assert "-Hello, world.\n+Hello, reader.\n" in done.diff
    assert done.files[0].sha256 == sha((root / "README.md").read_bytes())


async def test_an_ambiguous_edit_names_the_places_and_changes_nothing(house: House, tree: Tree, root: Path) -> None:
    error = await house.refused("fs_edit", edits=[{"path": "src/app.py", "old": "return 1", "new": "return 2"}])
    assert isinstance(error, Ambiguous)
    assert [problem.path for problem in error.problems] == ["src/app.py:5", "src/app.py:9"]
    assert listing(root) == tree


async def test_count_changes_every_place(house: House, tree: Tree, root: Path) -> None:
    await house.ok("fs_edit", edits=[{"path": "src/app.py", "old": "return 1", "new": "return 2", "count": "2"}])
    assert (root / "src/app.py").read_bytes() == tree["src/app.py"].replace(b"return 1", b"return 2")


async def test_edits_of_several_files_happen_together_or_not_at_all(house: House, tree: Tree, root: Path) -> None:
    good = {"path": "README.md", "old": "Hello", "new": "Bye"}
    bad = {"path": "src/app.py", "old": "not there", "new": "x"}
    assert isinstance(await house.refused("fs_edit", edits=[good, bad]), InvalidInput)
    assert listing(root) == tree
    other = {"path": "src/app.py", "old": "import os", "new": "import sys"}
    done = await house.ok("fs_edit", edits=[good, other])
    assert {file.path for file in done.files} == {"README.md", "src/app.py"}
    await house.ok("fs_undo", undo_id=done.undo_id)
    assert listing(root) == tree


async def test_a_failure_in_the_middle_takes_back_what_was_done(house: House, root: Path, tree: Tree) -> None:
    """The second file can't be written: its folder takes no new names. Not even root may write there."""
    deep = root / "docs"
    edits = [
        {"path": "README.md", "old": "Hello", "new": "Bye"},
        {"path": "docs/windows.txt", "old": "two", "new": "2"},
    ]
    mounted = os.system(f"chattr +i {deep} 2>/dev/null") == 0  # the file system may have no such flag
    if not mounted:
        pytest.skip("this file system has no immutable folders")
    try:
        await house.refused("fs_edit", edits=edits)
    finally:
        os.system(f"chattr -i {deep}")
    assert listing(root) == tree


async def test_a_dry_run_shows_the_diff_and_changes_nothing(house: House, tree: Tree, root: Path) -> None:
    edits = [{"path": "README.md", "old": "Hello", "new": "Bye"}]
    shown = await house.ok("fs_edit", edits=edits, dry_run=True)
    assert "+Bye, world." in shown.diff
    assert shown.undo_id is None
    assert listing(root) == tree


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"one\r\ntwo\r\n", "one\ntwo", "1\n2\n3", b"1\r\n2\r\n3\r\n"),
        (b"one\rtwo\r", "one\ntwo", "1\n2", b"1\r2\r"),
        (b"one\r\ntwo\nthree\r\n", "two", "2\n2b", b"one\r\n2\n2b\nthree\r\n"),
        (b"\xef\xbb\xbfone\n", "one", "é", b"\xef\xbb\xbf\xc3\xa9\n"),
        ("\ufeffone\r\n".encode("utf-16-le"), "one", "日本\nx", "\ufeff日本\r\nx\r\n".encode("utf-16-le")),
        ("café €\n".encode("cp1252"), "café", "thé", "thé €\n".encode("cp1252")),
        (b"one", "one", "two", b"two"),
        (b"a\r\nb\r\n", "a\r\nb\r\n", "c\r\n", b"c\r\n"),
        (b"tail\x0c\xe2\x80\xa8\n", "tail", "head", b"head\x0c\xe2\x80\xa8\n"),
    ],
)
async def test_edits_keep_encoding_mark_and_line_ends(
    house: House, root: Path, before: bytes, old: str, new: str, after: bytes
) -> None:
    (root / "f.txt").write_bytes(before)
    await house.ok("fs_edit", edits=[{"path": "f.txt", "old": old, "new": new}])
    assert (root / "f.txt").read_bytes() == after


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a,b,c\r\nd,e\n,f", ",", ";", b"a;b;c\r\nd;e\n;f"),
        (b"a,b,c\r\nd,e\n,f", ",", "\n", b"a\r\nb\r\nc\r\nd\ne\n\nf"),
        (b"a\r\nb\nc\r\nd\n", "\n", "", b"abcd"),
        (b"1\r\n2\n1\r\n2\n1\n2", "1\n2", "3", b"3\n3\n3"),
        (b"1\r\n2\n1\n2\r\n", "1\n2\n", "3\n\n4\n", b"3\r\n\r\n4\r\n3\n\n4\n"),
        (b"aaa\raa", "aa", "\n", b"\ra\r\r"),
        (b"aaaa", "aa", "\nb", b"\nb\nb"),
    ],
)
async def test_every_place_keeps_the_line_ends_of_where_it_is(
    house: House, root: Path, before: bytes, old: str, new: str, after: bytes
) -> None:
    (root / "f.txt").write_bytes(before)
    await house.ok("fs_edit", edits=[{"path": "f.txt", "old": old, "new": new, "count": 0}])
    assert (root / "f.txt").read_bytes() == after


async def test_eighty_thousand_places_are_changed_at_once(house: House, root: Path) -> None:
    (root / "f.csv").write_bytes(b"a,b,c,d,e,f,g,h,i,j\r\n" * 9_000)
    edit = {"path": "f.csv", "old": ",", "new": ";", "count": 0}
    await within(1, lambda: house.ok("fs_edit", edits=[edit]))
    assert (root / "f.csv").read_bytes() == b"a;b;c;d;e;f;g;h;i;j\r\n" * 9_000


async def test_a_text_that_would_grow_without_bound_is_too_large(house: House, tree: Tree, root: Path) -> None:
    edit = {"path": "README.md", "old": "o", "new": "o" * 10_000, "count": 0}
    assert isinstance(await house.refused("fs_edit", edits=[edit] * 2), TooLarge)
    assert listing(root) == tree


async def test_a_character_that_the_encoding_lacks_is_refused(house: House, root: Path) -> None:
    (root / "f.txt").write_bytes("café\n".encode("cp1252"))
    error = await house.refused("fs_edit", edits=[{"path": "f.txt", "old": "caf", "new": "日本"}])
    assert isinstance(error, InvalidInput)
    assert "cp1252" in error.message


async def test_edits_may_come_as_json_text(house: House, tree: Tree, root: Path) -> None:
    await house.ok("fs_edit", edits='[{"path": "README.md", "old": "Hello", "new": "Bye"}]')
    assert b"Bye" in (root / "README.md").read_bytes()


async def test_edits_as_json_text_that_is_too_deep_are_invalid_input(house: House) -> None:
    assert isinstance(await house.refused("fs_edit", edits="[" * 100_000), InvalidInput)


async def test_moving_and_undoing_a_file_and_a_folder(house: House, tree: Tree, root: Path) -> None:
    one = await house.ok("fs_move", path="README.md", to="docs/new/GUIDE.md")
    assert (root / "docs/new/GUIDE.md").read_bytes() == tree["README.md"]
    two = await house.ok("fs_move", path="src", to="lib")
    assert (root / "lib/deep/er/x.txt").exists()
    await house.ok("fs_undo", undo_id=one.undo_id)
    await house.ok("fs_undo", undo_id=two.undo_id)
    assert listing(root) == tree
    assert not (root / "docs/new").exists()


async def test_moving_never_overwrites(house: House, tree: Tree, root: Path) -> None:
    assert isinstance(await house.refused("fs_move", path="README.md", to="src/app.py"), Conflict)
    assert isinstance(await house.refused("fs_move", path="README.md", to="src"), Conflict)
    assert isinstance(await house.refused("fs_move", path="src", to="src/inner"), InvalidInput)
    assert listing(root) == tree


async def test_deleting_a_folder_and_bringing_it_back(house: House, tree: Tree, root: Path) -> None:
    (root / "src" / "link").symlink_to("app.py")
    (root / "src" / "empty").mkdir()
    (root / "src" / "app.py").chmod(0o755)
    gone = await house.ok("fs_delete", path="src")
    assert not (root / "src").exists()
    await house.ok("fs_undo", undo_id=gone.undo_id)
    assert listing(root) == {**tree, "src/link": tree["src/app.py"]}
    assert os.readlink(root / "src" / "link") == "app.py"
    assert (root / "src" / "empty").is_dir()
    assert stat.S_IMODE((root / "src" / "app.py").stat().st_mode) == 0o755


async def test_deleting_a_link_leaves_what_it_leads_to(house: House, tree: Tree, root: Path) -> None:
    (root / "link").symlink_to("README.md")
    await house.ok("fs_delete", path="link")
    assert not (root / "link").is_symlink()
    assert (root / "README.md").exists()


@pytest.mark.parametrize(("tool", "more"), [("fs_move", {"to": "other"}), ("fs_delete", {})])
async def test_a_link_to_a_name_that_is_not_utf8_is_left_and_that_is_told(
    house: House, root: Path, tool: str, more: dict[str, Any]
) -> None:
    os.symlink(b"\xff", os.fsencode(root / "link"))
    error = await house.refused(tool, path="link", **more)
    assert isinstance(error, PathDenied)
    assert error.message == "link is a link to a name that is not UTF-8"
    assert os.listdir(root) == ["link"]


async def test_undo_is_refused_when_the_file_changed_since(house: House, tree: Tree, root: Path) -> None:
    wrote = await house.ok("fs_write", path="README.md", content="mine\n")
    (root / "README.md").write_text("somebody else's\n")
    assert isinstance(await house.refused("fs_undo", undo_id=wrote.undo_id), Conflict)
    assert (root / "README.md").read_text() == "somebody else's\n"


async def test_undo_keeps_a_mode_that_a_file_got_since(house: House, tree: Tree, root: Path) -> None:
    script = root / "README.md"
    script.chmod(0o640)
    wrote = await house.ok("fs_write", path="README.md", content="#!/bin/sh\n")
    script.chmod(0o755)
    undone = await house.ok("fs_undo", undo_id=wrote.undo_id)
    assert (script.read_bytes(), stat.S_IMODE(script.stat().st_mode)) == (tree["README.md"], 0o755)
    await house.ok("fs_undo", undo_id=undone.undo_id)
    assert (script.read_bytes(), stat.S_IMODE(script.stat().st_mode)) == (b"#!/bin/sh\n", 0o755)


async def test_what_was_deleted_comes_back_with_its_modes(house: House, root: Path) -> None:
    folder = root / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o710)
    gone = await house.ok("fs_delete", path="shared")
    await house.ok("fs_undo", undo_id=gone.undo_id)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "run")] == [0o777, 0o710]


async def test_undo_can_be_undone_and_only_once(house: House, tree: Tree, root: Path) -> None:
    wrote = await house.ok("fs_write", path="README.md", content="mine\n")
    undone = await house.ok("fs_undo", undo_id=wrote.undo_id)
    assert listing(root) == tree
    assert isinstance(await house.refused("fs_undo", undo_id=wrote.undo_id), NotFound)
    again = await house.ok("fs_undo", undo_id=undone.undo_id)
    assert (root / "README.md").read_text() == "mine\n"
    assert "+mine" in again.diff
    await house.ok("fs_undo", undo_id=wrote.undo_id)
    assert listing(root) == tree


async def test_last_goes_back_one_change_at_a_time(house: House, tree: Tree, root: Path) -> None:
    for number in range(3):
        await house.ok("fs_write", path="README.md", content=f"{number}\n")
    shown = await house.ok("fs_undo", last=True, dry_run=True)
    assert "-2\n+1\n" in shown.diff
    assert (root / "README.md").read_text() == "2\n"
    await house.ok("fs_undo", last=True)
    assert (root / "README.md").read_text() == "1\n"
    await house.ok("fs_undo", last=True)
    await house.ok("fs_undo", last=True)
    assert listing(root) == tree
    assert isinstance(await house.refused("fs_undo", last=True), NotFound)


async def test_a_run_is_undone_as_a_whole_or_not_at_all(house: House, tree: Tree, root: Path) -> None:
    await house.ok("fs_write", of_run="run_1", path="README.md", content="1\n")
    await house.ok("fs_write", of_run="run_1", path="README.md", content="2\n")
    await house.ok("fs_move", of_run="run_1", path="README.md", to="MOVED.md")
    await house.ok("fs_write", of_run="run_1", path="new/a.txt", content="a\n")
    await house.ok("fs_write", path="other.txt", content="not of the run\n")
    (root / "new/a.txt").write_text("changed\n")
    before = listing(root)
    assert isinstance(await house.refused("fs_undo", run_id="run_1"), Conflict)
    assert listing(root) == before
    (root / "new/a.txt").write_text("a\n")
    await house.ok("fs_undo", run_id="run_1")
    assert listing(root) == {**tree, "other.txt": b"not of the run\n"}


async def test_undo_keeps_a_folder_that_others_use_since(house: House, root: Path) -> None:
    wrote = await house.ok("fs_write", path="new/a.txt", content="a\n")
    (root / "new/b.txt").write_text("b\n")
    await house.ok("fs_undo", undo_id=wrote.undo_id)
    assert listing(root) == {"new/b.txt": b"b\n"}


async def test_undo_survives_a_restart(tmp_path: Path, root: Path, tree: Tree) -> None:
    async with open_house(tmp_path / "data", [root]) as house:
        done = [
            await house.ok("fs_write", path="src/app.py", content="new\n"),
            await house.ok("fs_write", path="fresh/new.txt", content="new\n"),
            await house.ok("fs_edit", edits=[{"path": "docs/windows.txt", "old": "two", "new": "2"}]),
            await house.ok("fs_move", path="src", to="moved"),
            await house.ok("fs_delete", path="README.md"),
        ]
    async with open_house(tmp_path / "data", [root]) as house:
        for one in reversed(done):
            await house.ok("fs_undo", undo_id=one.undo_id)
    assert listing(root) == tree


async def test_who_has_a_file_open_reads_the_old_one_whole_whatever_replaces_it(
    house: House, root: Path, tree: Tree
) -> None:
    """It is replaced and never written in place, so that no reader sees a part of the new one and none of either."""
    file, before = root / "README.md", tree["README.md"]

    async def replaced(tool: str, **arguments: Any) -> Any:
        with file.open("rb") as reader:
            old = file.read_bytes()
            assert reader.read(3) == old[:3]
            done = await house.ok(tool, **arguments)
            assert reader.read() == old[3:]
        assert file.read_bytes() != old
        return done

    await replaced("fs_write", path="README.md", content="new\n" * 9_000)
    done = await replaced("fs_edit", edits=[{"path": "README.md", "old": "new", "new": "longer than that", "count": 0}])
    await replaced("fs_undo", undo_id=done.undo_id)
    await replaced("fs_undo", last=True)
    assert file.read_bytes() == before


async def test_another_scope_can_not_undo_and_learns_nothing(house: House, tree: Tree, tmp_path: Path) -> None:
    wrote = await house.ok("fs_write", path="README.md", content="mine\n")
    elsewhere = (tmp_path / "elsewhere").resolve()
    elsewhere.mkdir()
    stranger = session_of(elsewhere)
    foreign = await house.refused("fs_undo", session=stranger, undo_id=wrote.undo_id)
    missing = await house.refused("fs_undo", session=stranger, undo_id="undo_" + "0" * 32)
    assert foreign.as_dict() == missing.as_dict()
    wider = session_of(house.root, elsewhere)
    assert isinstance(await house.refused("fs_undo", session=wider, last=True), NotFound)


async def test_many_writers_of_one_file_lose_no_update(house: House, root: Path) -> None:
    """Each replaces the digest that it saw; of those that saw the same, one wins and the others are told."""
    await house.ok("fs_write", path="n.txt", content="0")
    wins = []

    async def add() -> None:
        for _ in range(10):
            seen = await house.ok("fs_read", path="n.txt")
            result = await house.result(
                "fs_write", path="n.txt", content=str(int(seen.content) + 1), if_match=seen.sha256
            )
            if result.error is not None:
                assert isinstance(result.error, Conflict)
            elif getattr(result.value, "undo_id", ""):
                wins.append(1)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(add)
    assert int((root / "n.txt").read_text()) == len(wins) > 0


async def test_content_that_is_no_unicode_is_invalid_input(house: House, root: Path) -> None:
    assert isinstance(await house.refused("fs_write", path="a.txt", content="\ud800"), InvalidInput)
    assert isinstance(await house.refused("fs_write", path="\ud800", content="x"), InvalidInput)
    assert listing(root) == {}


async def test_exactly_one_way_to_name_what_is_undone(house: House, root: Path) -> None:
    assert isinstance(await house.refused("fs_undo"), InvalidInput)
    assert isinstance(await house.refused("fs_undo", last=True, run_id="run_1"), InvalidInput)
