"""A change that is asked for again with the same idempotency key, since its daemon died before anybody was told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.agents.files.house import House, listing, open_house, session_of

from astro_mcp.core.authority import Session
from astro_mcp.core.call import Call
from astro_mcp.errors import Unavailable
from astro_mcp.workspace import changes as module

Tree = dict[str, bytes]
KEY = "run_1/step/1"
CALLS: list[tuple[str, Mapping[str, Any]]] = [
    ("fs_write", {"path": "README.md", "content": "new\n"}),
    ("fs_write", {"path": "made/deep/new.txt", "content": "new\n", "create_only": True}),
    (
        "fs_edit",
        {
            "edits": [
                {"path": "README.md", "old": "Hello", "new": "Hello, hello"},
                {"path": "docs/windows.txt", "old": "two", "new": "2"},
                {"path": "README.md", "old": "world", "new": "worlds"},
            ]
        },
    ),
    ("fs_move", {"path": "README.md", "to": "moved/READ.md"}),
    ("fs_move", {"path": "src", "to": "lib"}),
    ("fs_delete", {"path": "README.md"}),
    ("fs_delete", {"path": "src"}),
]


async def asked(at: House, tool: str, session: Session | None = None, key: str = KEY, **arguments: Any) -> Any:
    call = Call(session or at.session, tool, arguments, run_id="run_1", idempotency_key=key)
    return (await at.dispatcher.call(call)).unwrap()


@pytest.mark.parametrize("at", range(len(CALLS)))
async def test_the_same_answer_comes_again_and_nothing_more_happens(
    tmp_path: Path, root: Path, tree: Tree, at: int
) -> None:
    tool, arguments = CALLS[at]
    async with open_house(tmp_path / "data", [root]) as house:
        first = await asked(house, tool, **arguments)
        after = listing(root)
        assert after != tree
    async with open_house(tmp_path / "data", [root]) as house:
        again = await asked(house, tool, **arguments)
        assert again == first
        assert listing(root) == after
        rows = await house.database.read(lambda tx: tx.rows("SELECT count(*) AS n FROM undo"))
        assert rows[0]["n"] == 1
        await house.ok("fs_undo", undo_id=again.undo_id)
        assert listing(root) == tree


async def test_an_undo_is_told_again_with_its_diff(house: House, root: Path, tree: Tree) -> None:
    edits = [{"path": "README.md", "old": "Hello", "new": "Bye"}, {"path": "src/app.py", "old": "os", "new": "sys"}]
    done = await house.ok("fs_edit", edits=edits)
    first = await asked(house, "fs_undo", undo_id=done.undo_id)
    assert await asked(house, "fs_undo", undo_id=done.undo_id) == first
    assert "+Hello" in first.diff
    assert listing(root) == tree
    moved = await house.ok("fs_move", path="README.md", to="b.md")
    told = await asked(house, "fs_undo", key="run_1/step/2", undo_id=moved.undo_id)
    again = await asked(house, "fs_undo", key="run_1/step/2", undo_id=moved.undo_id)
    assert (again.files, again.undo_id) == (told.files, told.undo_id)
    assert listing(root) == tree


async def test_an_artifact_that_is_saved_again_has_its_undo(house: House, root: Path, tree: Tree) -> None:
    sha256 = await house.artifacts.put(house.session.scope, b"report\n", "text/plain")
    arguments: dict[str, Any] = {"uri": f"astro://artifacts/{sha256}", "path": "README.md"}
    first = await asked(house, "artifact_save", **arguments)
    assert await asked(house, "artifact_save", **arguments) == first
    await house.ok("fs_undo", undo_id=first.undo_id)
    assert listing(root) == tree


async def test_what_others_changed_since_is_left_alone_and_the_answer_is_the_same(house: House, root: Path) -> None:
    (root / "a.txt").write_text("one\n")
    arguments: dict[str, Any] = {"edits": [{"path": "a.txt", "old": "one", "new": "one two"}]}
    first = await asked(house, "fs_edit", **arguments)
    (root / "a.txt").write_text("somebody's\n")
    assert await asked(house, "fs_edit", **arguments) == first
    assert (root / "a.txt").read_text() == "somebody's\n"
    await asked(house, "fs_delete", key="run_1/gone/1", path="a.txt")
    (root / "a.txt").write_text("there again\n")
    await asked(house, "fs_delete", key="run_1/gone/1", path="a.txt")
    assert (root / "a.txt").read_text() == "there again\n"


async def test_another_call_and_another_session_do_it_for_themselves(house: House, root: Path) -> None:
    (root / "a.txt").write_text("one\n")
    arguments: dict[str, Any] = {"edits": [{"path": "a.txt", "old": "one", "new": "one one"}]}
    await asked(house, "fs_edit", **arguments)
    await asked(house, "fs_edit", key="run_1/step/2", edits=[{"path": "a.txt", "old": "one\n", "new": "two\n"}])
    assert (root / "a.txt").read_text() == "one two\n"
    theirs = session_of(root, root.parent)
    await asked(house, "fs_edit", session=theirs, edits=[{"path": "a.txt", "old": "two", "new": "three"}])
    assert (root / "a.txt").read_text() == "one three\n"


async def dies(*_: Any) -> None:
    """In the place of the journal's last word."""
    raise SystemExit


async def test_a_call_that_was_cut_short_is_carried_out(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.txt").write_text("one\n")
    arguments: dict[str, Any] = {"edits": [{"path": "a.txt", "old": "one", "new": "one two"}]}

    async with open_house(tmp_path / "data", [root]) as house:
        with monkeypatch.context() as patched:
            patched.setattr(house.changes._journal, "finish", dies)
            with pytest.raises(SystemExit):
                await asked(house, "fs_edit", **arguments)
    assert (root / "a.txt").read_text() == "one two\n"
    async with open_house(tmp_path / "data", [root]) as house:
        assert (root / "a.txt").read_text() == "one\n", "nobody was told, so it is taken back"
        await asked(house, "fs_edit", **arguments)
        assert (root / "a.txt").read_text() == "one two\n"


async def test_a_call_whose_half_can_not_be_taken_back_is_not_done_on_top_of_it(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.txt").write_text("one\n")
    arguments: dict[str, Any] = {"edits": [{"path": "a.txt", "old": "one", "new": "one two"}]}

    def refuses(*_: Any) -> None:
        raise Unavailable("the disk is away")

    async with open_house(tmp_path / "data", [root]) as house:
        with monkeypatch.context() as patched:
            patched.setattr(house.changes._journal, "finish", dies)
            with pytest.raises(SystemExit):
                await asked(house, "fs_edit", **arguments)
    monkeypatch.setattr(module, "roll_back", refuses)
    async with open_house(tmp_path / "data", [root]) as house:
        with pytest.raises(Unavailable, match="cut short"):
            await asked(house, "fs_edit", **arguments)
    assert (root / "a.txt").read_text() == "one two\n"
    monkeypatch.undo()
    async with open_house(tmp_path / "data", [root]) as house:
        told = await asked(house, "fs_edit", **arguments)
        assert json.loads(told.model_dump_json())["undo_id"]
    assert (root / "a.txt").read_text() == "one two\n"
