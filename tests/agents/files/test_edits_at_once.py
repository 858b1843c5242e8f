"""Edits of one file that come at the same time, as hosts send them: each has its place, and none is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from tests.agents.files.house import House

from astro_mcp.errors import Conflict, InvalidInput

LINES = [f"value_{number} = {number}\n" for number in range(8)]


async def _edited_at_once(house: House, edits: list[dict[str, str]], **more: Any) -> list[str]:
    """The codes of what was refused."""
    codes: list[str] = []

    async def one(edit: dict[str, str]) -> None:
        result = await house.result("fs_edit", edits=[{"path": "app.py", **edit}], **more)
        if result.error is not None:
            codes.append(result.error.code)

    async with anyio.create_task_group() as group:
        for edit in edits:
            group.start_soon(one, edit)
    return codes


async def test_edits_of_one_file_at_once_are_all_done(house: House, root: Path) -> None:
    (root / "app.py").write_text("".join(LINES))
    codes = await _edited_at_once(house, [{"old": line, "new": line.replace("value", "result")} for line in LINES])
    assert codes == []
    assert (root / "app.py").read_text() == "".join(LINES).replace("value", "result")


async def test_the_second_of_two_edits_of_one_place_is_told_that_its_text_is_gone(house: House, root: Path) -> None:
    (root / "app.py").write_text("".join(LINES))
    codes = await _edited_at_once(house, [{"old": LINES[0], "new": f"{name} = 1\n"} for name in ("one", "two")])
    assert codes == [InvalidInput.code]


async def test_an_edit_that_names_what_it_read_is_refused_where_another_came_first(house: House, root: Path) -> None:
    (root / "app.py").write_text("".join(LINES))
    read = await house.ok("fs_read", path="app.py")
    edits = [{"old": line, "new": "\n"} for line in LINES[:2]]
    assert await _edited_at_once(house, edits, if_match=read.sha256) == [Conflict.code]
