"""Authors are called what `.mailmap` calls them, by every tool that tells of them, as plain git does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.errors import PathDenied
from astro_mcp.workspace.git import logged

MAP = "Real Name <real@example.com> <Author@example.com>\n"


async def told(bench: Bench) -> tuple[str, str, str]:
    """What log, show and blame call who made HEAD."""
    log, shown = await bench.call("git_log"), await bench.call("git_show")
    blame = await bench.call("git_show", path="src/app.py", blame=True)
    return log.items[0].author, shown.author, blame.lines[-1].author


def plain(bench: Bench) -> tuple[str, str, str]:
    name, mail = bench.git("log", "-1", "--format=%aN%x00%aE").strip().split("\0")
    last = bench.git("blame", "--line-porcelain", "HEAD", "--", "src/app.py").split("\nauthor ")[-1]
    return name, f"{name} <{mail}>", last.split("\n")[0]


async def test_log_show_and_blame_tell_one_name_whenever_the_map_changes(bench: Bench) -> None:
    raw = ("A U Thor", "A U Thor <author@example.com>", "A U Thor")
    assert await told(bench) == plain(bench) == raw
    bench.write(".mailmap", MAP)
    assert await told(bench) == plain(bench) == ("Real Name", "Real Name <real@example.com>", "Real Name")
    bench.write(".mailmap", MAP.replace("Real", "Other"))
    assert await told(bench) == plain(bench) == ("Other Name", "Other Name <real@example.com>", "Other Name")
    (bench.root / ".mailmap").unlink()
    assert await told(bench) == plain(bench) == raw


async def test_an_author_is_sought_by_the_name_of_the_map(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write(".mailmap", MAP)
    for listing in (logged._LISTING, 60):
        monkeypatch.setattr(logged, "_LISTING", listing)
        for author in ("real name", "REAL@example.com", "A U Thor", "author@example.com", "nobody"):
            log = await bench.call("git_log", author=author, since="2001-01-01")
            wanted = bench.git("log", "--format=%H", "-i", f"--author={author}").split()
            assert ([item.sha for item in log.items], log.total) == (wanted, len(wanted)), author
    page = await bench.call("git_log", author="real name", path="src/app.py", limit=1, skip=1)
    assert ([item.sha for item in page.items], page.total) == ([bench.git("rev-parse", "HEAD~1").strip()], 2)


@pytest.mark.parametrize("name", ["A U Thor", "Someone Else"])
async def test_a_commit_that_is_made_after_a_log_is_its_authors_by_the_map(bench: Bench, name: str) -> None:
    bench.write(".mailmap", f"Real Name <real@example.com> {name} <AUTHOR@example.com>\n")
    await bench.call("git_log")
    for number in range(3):
        bench.write("src/app.py", f"{number}\n")
        bench.git("commit", "-q", "-a", "-m", f"Commit {number}")
        assert await told(bench) == plain(bench)


async def test_a_map_behind_a_link_is_not_read(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "map").write_text(MAP)
    (bench.root / ".mailmap").symlink_to(tmp_path / "map")
    assert await told(bench) == ("A U Thor", "A U Thor <author@example.com>", "A U Thor")
    assert (await bench.call("git_log", author="Real Name")).total == 0


async def test_a_folder_in_place_of_a_map_says_nothing_and_nobody_waits_for_a_pipe(bench: Bench) -> None:
    (bench.root / ".mailmap").mkdir()
    assert await told(bench) == ("A U Thor", "A U Thor <author@example.com>", "A U Thor")
    (bench.root / ".mailmap").rmdir()
    os.mkfifo(bench.root / ".mailmap")
    for tool, arguments in (("git_log", {}), ("git_show", {"path": "src/app.py", "blame": True})):
        assert isinstance((await bench.result(tool, **arguments)).error, PathDenied)
    (bench.root / ".mailmap").unlink()
    assert (await bench.call("git_log")).total == 2


async def test_nobody_waits_for_a_pipe_in_place_of_attributes(bench: Bench) -> None:
    os.mkfifo(bench.root / ".gitattributes")
    for tool in ("git_status", "git_diff", "git_log"):
        assert isinstance((await bench.result(tool)).error, PathDenied)
    (bench.root / ".gitattributes").unlink()
    assert (await bench.call("git_log")).total == 2


async def test_what_a_hostile_map_says_is_a_name_and_no_more(bench: Bench) -> None:
    name = "a\tb \x1b[31m \xff %s %x00"
    (bench.root / ".mailmap").write_bytes(name.encode("latin-1") + b"\0x <m@x> <author@example.com>\n" + b"<" * 9_000)
    log = await bench.call("git_log")
    assert [item.subject for item in log.items] == ["Add two", "Begin"]
    assert "\x1b" not in log.text()
    assert (await bench.call("git_show")).message.startswith("Add two")
