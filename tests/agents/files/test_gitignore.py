"""A `.gitignore` is a repository's text: whatever is in it, the tools answer, soon, and others are not kept waiting."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio import from_thread
from tests.agents.files.house import House, session_of
from tests.quickest import within

from astro_mcp.workspace import ignore
from astro_mcp.workspace.ignore import LINES, Ignore, Patterns


@pytest.mark.full
async def test_a_long_gitignore_is_obeyed(house: House, root: Path) -> None:
    lines = [f"a{number}*b" for number in range(1_500)]
    (root / ".gitignore").write_text("\n".join([*lines, "*.log", "!keep.log"]))
    for name in ("f.py", "x.log", "keep.log"):
        (root / name).write_text("needle\n")
    listed = await house.ok("fs_list", path=".")
    assert {item.path for item in listed.items} == {".gitignore", "f.py", "keep.log"}
    assert (await house.ok("fs_search", pattern="needle")).total == 2


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
async def test_lines_that_are_no_patterns_are_skipped_and_the_rest_is_obeyed(house: House, root: Path) -> None:
    bad = ["[z-a]", "!", "[[:foo:]]", "x*" * 5000, "*.tmp"]
    (root / ".gitignore").write_text("\n".join(["*.log", *bad, "!keep.log"]))
    for name in ("f.py", "x.log", "x.tmp", "keep.log"):
        (root / name).touch()
    listed = await house.ok("fs_list", path=".")
    assert {item.path for item in listed.items} == {".gitignore", "f.py", "keep.log"}


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
async def test_a_glob_that_can_not_be_read_is_invalid(house: House, root: Path) -> None:
    for glob in ("[z-a]", "[[:foo:]]"):
        assert (await house.refused("fs_list", path=".", glob=glob)).code == "invalid_input"


@pytest.mark.full
async def test_the_patterns_of_one_walk_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the bound hides nothing."""
    lines = 500
    monkeypatch.setattr(ignore, "LINES", lines)

    def compiled() -> tuple[Ignore, Ignore]:
        patterns = Patterns()
        text = "\n".join(f"dir{number}/" for number in range(lines + 5)).encode()
        one = Ignore().within("", text, patterns)
        return one, one.within("sub", b"*.log", patterns)

    one, other = await anyio.to_thread.run_sync(compiled)
    assert one.hides("dir0", folder=True)
    assert one.hides(f"dir{lines - 1}", folder=True)
    assert not one.hides(f"dir{lines}", folder=True)
    assert not other.hides("sub/x.log", folder=False)


@pytest.mark.alone
async def test_long_patterns_stop_when_the_call_is_cancelled() -> None:
    lines = "\n".join(f"a{number}*b" for number in range(LINES)).encode()

    async def compile_for_a_moment() -> None:
        with anyio.move_on_after(0.05):
            await anyio.to_thread.run_sync(lambda: Ignore().within("", lines, Patterns()))

    await within(0.6, compile_for_a_moment)


async def test_long_work_in_one_root_leaves_threads_for_another(house: House, tmp_path: Path) -> None:
    other = (tmp_path / "other").resolve()
    other.mkdir()
    over = threading.Event()
    started = 0

    def long() -> None:
        nonlocal started
        started += 1
        while not over.wait(0.01):
            from_thread.check_cancelled()

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(house.workspace.at_length, long, house.root)
        with anyio.fail_after(10):
            await anyio.wait_all_tasks_blocked()
            await house.workspace.walk(house.workspace.locate(session_of(other), "."))
        assert started == 2
        over.set()
