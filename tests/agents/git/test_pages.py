"""What git tells goes on by its cursor to the end, in the text alone too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.agents.git import differences
from astro_mcp.agents.git.outputs import Diff, DiffFile, DiffHunk
from astro_mcp.core.ports import SystemClock
from astro_mcp.faces.mcp.budget import Budget
from astro_mcp.faces.mcp.peer import FULL
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.database import Database


@pytest.fixture
def wide(bench: Bench) -> Bench:
    """Thirty files that changed, and a long one, on `main` and otherwise on `side`."""
    for name in ("side", "main"):
        bench.git("checkout", "-q", *(["-b"] if name == "side" else []), name)
        for number in range(30):
            bench.write(f"file {number:02}.txt", f"{number} of {name}\n")
        bench.write("long.txt", "".join(f"line {number} of {name}\n" for number in range(60)))
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", "Wide")
    for number in range(30):
        bench.write(f"file {number:02}.txt", "of the working tree\n")
    return bench


@pytest.mark.parametrize(
    ("tool", "arguments", "field", "most"),
    [
        ("git_show", {}, "hunks", 9_000),
        ("git_show", {"path": "long.txt"}, "content", 1_500),
        ("git_show", {"path": "long.txt", "blame": True}, "lines", 3_000),
        ("git_diff", {"from": "HEAD~1", "to": "HEAD"}, "hunks", 7_500),
        ("git_diff", {"from": "HEAD~1", "to": "HEAD", "stat_only": True}, "files", 1_500),
        ("git_merge_preview", {"from": "side"}, "conflicts", 9_000),
        ("git_status", {"repo": "."}, "unstaged", 1_500),
    ],
)
async def test_each_form_of_an_answer_goes_on_to_its_end(
    wide: Bench, tmp_path: Path, tool: str, arguments: dict[str, Any], field: str, most: int
) -> None:
    value = await wide.call(tool, **arguments)
    async with Database.open(tmp_path / "pages.db") as database:
        budget = Budget(Artifacts(database, tmp_path / "kept", SystemClock()), most)
        declared = wide.dispatcher.registry.tools[tool]
        shapes = [await budget.shape(wide.session, declared, arguments, value, FULL)]
        while cursor := (shapes[-1].structured or {}).get("next_cursor"):
            shapes.append(await budget.resume(wide.session, declared, arguments, cursor, FULL))
            assert cursor in (shapes[-2].text or "")
    pages = [(shape.structured or {})[field] for shape in shapes]
    whole = value.model_dump(mode="json", exclude_none=True)[field]
    assert len(pages) > 1
    assert [one for page in pages for one in page] == list(whole)


async def test_a_page_of_a_wide_diff_has_the_files_of_its_hunks_and_no_others(bench: Bench, tmp_path: Path) -> None:
    """A thousand files, every third of them without a hunk, as a binary one is."""
    files = [DiffFile(path=f"some/folder/file {n:04}.txt", additions=1, deletions=0) for n in range(1000)]
    hunks = [DiffHunk(id=f"{n:012}", path=file.path, text="@@\n+x") for n, file in enumerate(files) if n % 3]
    async with Database.open(tmp_path / "pages.db") as database:
        budget = Budget(Artifacts(database, tmp_path / "kept", SystemClock()))
        declared = bench.dispatcher.registry.tools["git_diff"]
        shapes = [await budget.shape(bench.session, declared, {}, Diff(files=files, hunks=hunks), FULL)]
        while cursor := (shapes[-1].structured or {}).get("next_cursor"):
            shapes.append(await budget.resume(bench.session, declared, {}, cursor, FULL))
    pages = [shape.structured or {} for shape in shapes]
    assert 1 < len(pages) < 12
    assert [file["path"] for page in pages for file in page["files"]] == [file.path for file in files]
    assert [hunk["id"] for page in pages for hunk in page["hunks"]] == [hunk.id for hunk in hunks]


async def test_a_page_of_conflicts_has_the_files_beside_them_alone(wide: Bench, tmp_path: Path) -> None:
    arguments = {"from": "side"}
    preview = await wide.call("git_merge_preview", **arguments)
    async with Database.open(tmp_path / "pages.db") as database:
        budget = Budget(Artifacts(database, tmp_path / "kept", SystemClock()), 6_000)
        declared = wide.dispatcher.registry.tools["git_merge_preview"]
        shapes = [await budget.shape(wide.session, declared, arguments, preview, FULL)]
        while cursor := (shapes[-1].structured or {}).get("next_cursor"):
            shapes.append(await budget.resume(wide.session, declared, arguments, cursor, FULL))
    pages = [shape.structured or {} for shape in shapes]
    assert len(pages) > 1
    assert [file["path"] for page in pages for file in page["files"]] == [file.path for file in preview.files]
    assert all(": 31 files change\n" in (shape.text or "") for shape in shapes)


async def test_a_patch_that_is_too_long_says_so_in_the_text(wide: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not all of it" not in (await wide.call("git_diff")).text()
    monkeypatch.setattr(differences, "PATCH", 2_000)
    diff = await wide.call("git_diff")
    assert diff.truncated
    assert diff.text().endswith("[not all of it: the patch is too long; name paths, or take stat_only]")
