"""A fingerprint is another one whenever a snapshot would be: whoever keeps an answer by it never gives an old one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import pytest

from astro_mcp.errors import NotFound
from astro_mcp.workspace import fingerprint as module
from astro_mcp.workspace.fingerprint import fingerprint
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.survey import Survey

FILES = {"a.py": "1", "b/c.py": "2", "b/d.py": "3", ".gitignore": "*.log\n", "x.log": "4"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if its files had been there for long."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "link.py").symlink_to("b/c.py")
    monkeypatch.setattr(module, "MARGIN_SECONDS", -3_600.0)
    return tmp_path.resolve()


async def of(tree: Path, *paths: str) -> bytes | None:
    return await anyio.to_thread.run_sync(lambda: fingerprint([Place(tree, path) for path in paths or ("",)], Survey()))


def other_text_of_the_same_length(tree: Path) -> None:
    status = (tree / "a.py").stat()
    (tree / "a.py").write_text("9")
    os.utime(tree / "a.py", ns=(status.st_atime_ns, status.st_mtime_ns))


def another_file_in_its_place(tree: Path) -> None:
    (tree / "new").write_text("1")
    os.replace(tree / "new", tree / "a.py")


def another_target_of_a_link(tree: Path) -> None:
    (tree / "link.py").unlink()
    (tree / "link.py").symlink_to("b/d.py")


CHANGES: list[Callable[[Path], object]] = [
    other_text_of_the_same_length,
    another_file_in_its_place,
    another_target_of_a_link,
    lambda tree: (tree / "b/c.py").write_text("22"),
    lambda tree: (tree / "new.py").write_text(""),
    lambda tree: (tree / "b/d.py").unlink(),
    lambda tree: (tree / "b/d.py").rename(tree / "b/e.py"),
    lambda tree: (tree / "a.py").chmod(0o755),
    lambda tree: (tree / ".gitignore").write_text(""),
]


@pytest.mark.parametrize("change", CHANGES)
async def test_every_change_of_what_a_snapshot_copies_shows(tree: Path, change: Callable[[Path], object]) -> None:
    before = await of(tree)
    assert before is not None
    assert before == await of(tree)
    change(tree)
    assert await of(tree) not in (before, None)


async def test_what_is_ignored_does_not_count_unless_it_is_named(tree: Path) -> None:
    before, named = await of(tree), await of(tree, "", "x.log")
    (tree / "x.log").write_text("other")
    assert await of(tree) == before
    assert await of(tree, "", "x.log") != named


async def test_a_change_of_a_links_target_shows_where_the_target_itself_is_not_asked_for(tree: Path) -> None:
    (tree / "links").mkdir()
    (tree / "links/c.py").symlink_to("../b/c.py")
    before = await of(tree, "links")
    (tree / "b/c.py").write_text("other")
    assert await of(tree, "links") != before


async def test_after_a_change_just_now_there_is_none_since_the_next_might_bear_the_same_time(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert await of(tree) is None


async def test_a_place_that_is_not_there_is_an_error(tree: Path) -> None:
    with pytest.raises(NotFound):
        await of(tree, "none.py")
