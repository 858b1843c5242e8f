"""A path that is a little wrong: the hint says the right one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.files.house import House


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("src/ap.py", "did you mean src/app.py?"),
        ("src/App.py", "did you mean src/app.py?"),
        ("project/src/app.py", "did you mean src/app.py?"),
        ("READNE.md", "did you mean README.md?"),
        ("src/lines of ours", r"did you mean src/lines\nof ours?"),
        ("src/nothing-like-it.rs", "fs_list shows what there is"),
        ("nowhere/app.py", "fs_list shows what there is"),
        ("project/out/passwd", "fs_list shows what there is"),
    ],
)
async def test_a_wrong_path_gets_the_right_one(house: House, root: Path, path: str, hint: str) -> None:
    (root / "src").mkdir()
    for name in ("src/app.py", "README.md", "src/lines\nof ours"):
        (root / name).write_text("x = 1\n")
    (root / "out").symlink_to("/etc")
    assert (await house.refused("fs_read", path=path)).hint == hint
    assert (await house.refused("fs_edit", edits=[{"path": path, "old": "x", "new": "y"}])).hint == hint
    assert hint in (await house.ok("fs_read", paths=[path, "README.md"])).text()


async def test_an_expression_that_was_looked_for_as_plain_text_is_told(house: House, root: Path) -> None:
    (root / "app.py").write_text("def one():\n    return a|b\n")
    for pattern in ("one|two", r"def \w+", "def .*", "^def", r"one\(\)", "return$"):
        assert "regex=true" in (await house.ok("fs_search", pattern=pattern)).text(), pattern
    for pattern in ("a|b", "nothing", "one(x)", "f(", "a.b", "[0]", "$x", "C:\\temp"):
        assert "regex=true" not in (await house.ok("fs_search", pattern=pattern)).text(), pattern
    assert "regex=true" not in (await house.ok("fs_search", pattern="two|three", regex=True)).text()


async def test_last_in_place_of_an_undo_id_is_the_last_change(house: House, root: Path) -> None:
    (root / "a.txt").write_text("before\n")
    await house.ok("fs_write", path="a.txt", content="after\n")
    assert "+before" in (await house.ok("fs_undo", undo_id="last", dry_run=True)).diff
    await house.ok("fs_undo", undo_id="last")
    assert (root / "a.txt").read_text() == "before\n"
