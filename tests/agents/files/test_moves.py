"""What a move says, and what taking it back says."""

from __future__ import annotations

from pathlib import Path

from tests.agents.files.house import House

from astro_mcp.errors import Conflict


async def test_a_move_onto_a_folder_says_how_to_go_into_it_and_one_into_itself_what_it_is(
    house: House, root: Path
) -> None:
    (root / "there/deep").mkdir(parents=True)
    (root / "a.txt").write_text("a\n")
    error = await house.refused("fs_move", path="a.txt", to="there/")
    assert isinstance(error, Conflict)
    assert (error.message, error.hint) == ("there exists", "to go into that folder: there/a.txt")
    for to in ("there", "there/deep/er"):
        error = await house.refused("fs_move", path="there", to=to)
        assert error.message == "there can't go where it is, or into itself"
    error = await house.refused("fs_move", path="there/deep", to="there")
    assert error.message == "there exists: it is a folder above"


async def test_the_undoing_of_a_move_says_what_went_where_and_not_the_whole_text_twice(
    house: House, root: Path
) -> None:
    for name in ("a.txt", "d/one.txt", "d/two.txt"):
        await house.ok("fs_write", path=name, content="line\n" * 500)
    await house.ok("fs_move", path="a.txt", to="b.txt")
    tried = await house.ok("fs_undo", last=True, dry_run=True)
    undone = await house.ok("fs_undo", last=True)
    assert (tried.diff, undone.diff) == ("rename from b.txt\nrename to a.txt\n",) * 2
    assert {file.path: file.sha256 is None for file in undone.files} == {"a.txt": False, "b.txt": True}
    await house.ok("fs_move", path="d", to="e")
    assert (await house.ok("fs_undo", last=True)).diff == "rename from e/\nrename to d/\n"
    assert (root / "d/two.txt").is_file()


async def test_a_file_that_was_changed_and_moved_has_its_whole_change(house: House) -> None:
    await house.ok("fs_write", path="a.txt", content="old\n")
    await house.ok("fs_move", of_run="run_1", path="a.txt", to="b.txt")
    await house.ok("fs_write", of_run="run_1", path="b.txt", content="new\n")
    diff = (await house.ok("fs_undo", run_id="run_1")).diff
    assert "rename" not in diff
    assert "-new\n" in diff
    assert "+old\n" in diff
