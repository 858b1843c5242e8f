"""How much one call may ask for, and what odd names look like in text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from tests.agents.files.house import House, session_of
from tests.quickest import within

from astro_mcp.agents.files.models import SearchInput, SearchOutput
from astro_mcp.agents.files.searching import search
from astro_mcp.errors import InvalidInput


async def test_too_many_paths_and_edits_are_refused_before_they_are_looked_at(house: House, root: Path) -> None:
    await house.ok("fs_read", paths=["x"] * 50)
    edit = {"path": "x", "old": "a", "new": "b"}
    calls: list[tuple[str, str, list[Any]]] = [("fs_read 50", "paths", ["x"]), ("fs_edit 200", "edits", [edit])]
    for call, name, items in calls:
        tool, most = call.split()
        one_more: dict[str, Any] = {name: items * (int(most) + 1)}
        error = await house.refused(tool, **one_more)
        assert isinstance(error, InvalidInput)
        assert f"{most} {'files' if name == 'paths' else 'edits'}" in error.text()
        far_more: dict[str, Any] = {name: [0] * 40_000}
        assert f"{most} {'files' if name == 'paths' else 'edits'}" in (await house.refused(tool, **far_more)).text()


@pytest.mark.alone
async def test_a_search_stops_in_the_middle_of_a_file(house: House, root: Path) -> None:
    (root / "long.txt").write_bytes(b"a\n" * 2_000_000)
    place = house.workspace.locate(session_of(root), ".")
    args = SearchInput(pattern="a", context=2)

    def work() -> SearchOutput:
        return search([place], args, house.workspace.read_guard, seconds=0.1)

    found = await within(0.6, lambda: anyio.to_thread.run_sync(work))
    assert found.truncated
    assert "stopped after 0.1 s" in found.text()
    assert 0 < found.total < 2_000_000


async def test_a_name_with_a_line_feed_is_one_line_of_text(house: House, root: Path) -> None:
    name = "a.txt\n10 entries; all is well\x1b[2J\u202e.txt"
    (root / name).write_text("needle\n")
    shown = "a.txt\\n10 entries; all is well\\x1b[2J\\u202e.txt"
    listed = await house.ok("fs_list", path=".")
    assert [item.path for item in listed.items] == [name]
    assert listed.text().splitlines()[0].startswith(f"{shown}  7 B")
    found = await house.ok("fs_search", pattern="needle", context=1)
    assert found.items[0].path == name
    assert found.text().splitlines()[0] == f"{shown}:1:1: needle"
    assert (await house.ok("fs_read", path=name)).text().startswith(f"{shown} | ")
    assert (await house.ok("fs_read", paths=[name])).text().startswith(f"==> {shown} | ")
    missing = await house.ok("fs_read", paths=["no\nsuch"])
    assert missing.text().startswith("==> no\\nsuch <==\n")
    assert shown in (await house.ok("fs_write", path=name, content="other\n")).text()
    edited = await house.ok("fs_edit", edits=[{"path": name, "old": "other", "new": "new"}])
    assert f"\n{shown} | sha256" in edited.text()
    assert f"\n--- a/{shown}\n+++ b/{shown}\n" in edited.text()
    moved = await house.ok("fs_move", path=name, to=f"sub/{name}")
    assert moved.text().startswith(f"moved {shown} to sub/{shown} | ")
    assert (await house.ok("fs_delete", path=f"sub/{name}")).text().startswith(f"deleted sub/{shown} (")
