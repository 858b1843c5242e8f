"""Guarded copies for the sandbox and the index."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.errors import InvalidInput, NotFound, PathDenied, TooLarge
from astro_mcp.workspace import snapshot
from astro_mcp.workspace.content import read_file
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = (tmp_path / "project").resolve()
    for name, data in {
        "a.py": "a",
        "run.sh": "run",
        ".env": "TOKEN",
        "keys/server.pem": "KEY",
        ".gitignore": "*.log\n",
        "x.log": "log",
        ".git/config": "git",
        "sub/b.py": "b",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)
    (folder / "run.sh").chmod(0o755)
    (tmp_path / "outside.txt").write_text("OUTSIDE")
    (folder / "out").symlink_to(tmp_path / "outside.txt")
    (folder / "alias.py").symlink_to("a.py")
    (folder / "token").symlink_to(".env")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture
def session(root: Path) -> Session:
    return Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(SecretSettings())


async def test_a_snapshot_holds_what_may_leave_and_tells_the_rest(workspace: Workspace, session: Session) -> None:
    taken = await workspace.snapshot(session, [], max_files=100, max_bytes=1000)
    assert {file.path: file.data for file in taken.files} == {
        ".gitignore": b"*.log\n",
        "a.py": b"a",
        "alias.py": b"a",
        "run.sh": b"run",
        "sub/b.py": b"b",
    }
    assert [file.path for file in taken.files if file.executable] == ["run.sh"]
    withheld = {line.split(" (")[0] for line in taken.withheld}
    assert withheld == {".env", "keys/server.pem", "out", "token", "pipe"}


async def test_a_named_file_is_copied_though_ignored_but_not_though_secret(
    workspace: Workspace, session: Session
) -> None:
    taken = await workspace.snapshot(session, ["x.log", ".env", ".git/config", "sub"], max_files=9, max_bytes=1000)
    assert [file.path for file in taken.files] == ["sub/b.py", "x.log"]
    assert len(taken.withheld) == 2


async def test_the_bounds_are_held(workspace: Workspace, session: Session) -> None:
    with pytest.raises(TooLarge):
        await workspace.snapshot(session, ["."], max_files=2, max_bytes=1000)
    with pytest.raises(TooLarge):
        await workspace.snapshot(session, ["."], max_files=100, max_bytes=5)


async def test_missing_outside_and_mixed_paths_are_errors(
    workspace: Workspace, session: Session, root: Path, tmp_path: Path
) -> None:
    for path, error in (("missing", NotFound), ("../outside.txt", PathDenied), ("out", PathDenied)):
        with pytest.raises(error):
            await workspace.snapshot(session, [path], max_files=9, max_bytes=1000)
    other = (tmp_path / "other").resolve()
    other.mkdir()
    both = Session(session.principal, Grant(roots=(root, other)))
    with pytest.raises(InvalidInput):
        await workspace.snapshot(both, ["a.py", str(other)], max_files=9, max_bytes=1000)


async def test_a_walk_tells_what_is_there_and_follows_no_link(workspace: Workspace, session: Session) -> None:
    found = {entry.path: entry.type for entry in await workspace.walk(workspace.locate(session, "."))}
    assert found["out"] == found["alias.py"] == "link"
    assert found["pipe"] == "other"
    assert found["sub"] == "folder"
    assert "x.log" not in found
    assert not any(path.startswith(".git/") for path in found)


async def test_a_name_that_is_not_utf8_is_told_and_not_opened(
    workspace: Workspace, session: Session, root: Path
) -> None:
    with open(os.fsencode(root) + b"/bad\xff.txt", "wb") as file:
        file.write(b"x")
    found = {entry.path: entry.type for entry in await workspace.walk(workspace.locate(session, "."))}
    assert found["bad\\xff.txt"] == "other"


async def test_a_copy_that_begins_with_the_one_before_is_the_same_as_one_that_does_not(
    workspace: Workspace, session: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MARGIN_SECONDS", -3_600.0)
    (root / "was_link.py").symlink_to("sub/b.py")
    (root / "was_file.py").write_text("f")
    copy = partial(workspace.snapshot, session, [], max_files=100, max_bytes=1000)
    before = await copy()
    status = (root / "a.py").stat()
    (root / "a.py").write_text("b")
    os.utime(root / "a.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    (root / "run.sh").chmod(0o644)
    for name, target in (("was_link.py", None), ("was_file.py", ".env")):
        (root / name).unlink()
        (root / name).symlink_to(target) if target else (root / name).write_text("new")
    (root / "sub/b.py").rename(root / "sub/c.py")
    after = await copy(before=before)
    assert after == await copy()
    assert {file.path: (file.data, file.executable) for file in after.files} == {
        ".gitignore": (b"*.log\n", False),
        "a.py": (b"b", False),
        "alias.py": (b"b", False),
        "run.sh": (b"run", False),
        "sub/c.py": (b"b", False),
        "was_link.py": (b"new", False),
    }
    assert next(file for file in after.files if file.path == ".gitignore") in before.files
    with pytest.raises(TooLarge):
        await workspace.snapshot(session, [], max_files=100, max_bytes=5, before=before)


async def test_what_did_not_change_is_not_read_again_and_what_changed_just_before_is(
    workspace: Workspace, session: Session, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(place: Place, limit: int) -> tuple[bytes, os.stat_result]:
        read.append(place.relative)
        return read_file(place, limit)

    monkeypatch.setattr(snapshot, "read_file", counted)
    long_ago = time.time() - 100
    monkeypatch.setattr(snapshot, "MARGIN_SECONDS", -3_600.0)
    before = await workspace.snapshot(session, ["sub", "a.py"], max_files=9, max_bytes=1000)
    read.clear()
    await workspace.snapshot(session, ["sub", "a.py"], max_files=9, max_bytes=1000, before=before)
    assert read == ["a.py"]  # it was named, and its stamp was not seen
    monkeypatch.setattr(snapshot, "MARGIN_SECONDS", 2.0)
    os.utime(root / "sub/b.py", (long_ago, long_ago))  # what it modified can be set back, and not when it did
    before = await workspace.snapshot(session, ["sub"], max_files=9, max_bytes=1000)
    assert before.stamps == {}
