"""Which folders become roots."""

from __future__ import annotations

from pathlib import Path

import pytest

from astro_mcp.workspace.roots import usable_roots


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = (tmp_path / "home" / "project").resolve()
    folder.mkdir(parents=True)
    return folder


def refusal(path: Path, *, ceiling: tuple[Path, ...] = (), refused: tuple[Path, ...] = ()) -> str:
    roots, reasons = usable_roots([path], ceiling, refused)
    assert roots == ()
    assert len(reasons) == 1
    return reasons[0]


def test_an_ordinary_folder_is_a_root_by_its_real_path(project: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(project)
    assert usable_roots([tmp_path / "alias"], (), ()) == ((project,), ())


def test_the_file_system_itself_is_refused() -> None:
    assert "whole file system" in refusal(Path("/"))
    assert "whole file system" in refusal(Path("/usr/.."))


def test_the_home_folder_and_its_parents_are_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project.parent))
    assert "home folder" in refusal(project.parent)
    assert "home folder" in refusal(tmp_path)
    (tmp_path / "alias").symlink_to(project.parent)
    assert "home folder" in refusal(tmp_path / "alias")
    assert usable_roots([project], (), ())[0] == (project,)


def test_what_overlaps_the_servers_own_folders_is_refused_both_ways(project: Path) -> None:
    own = project / "data"
    own.mkdir()
    (own / "inner").mkdir()
    for path in (project, own, own / "inner"):
        assert "belongs to the server" in refusal(path, refused=(own,))


def test_a_root_lies_within_the_ceiling(project: Path, tmp_path: Path) -> None:
    assert "roots.ceiling" in refusal(project, ceiling=(tmp_path / "elsewhere",))
    assert usable_roots([project], (tmp_path,), ())[0] == (project,)


def test_missing_relative_system_and_plain_files_are_refused(project: Path) -> None:
    (project / "file").touch()
    for path in (project / "missing", project / "file", Path("relative"), Path("/proc/self"), Path("/dev")):
        assert refusal(path)


def test_a_root_within_another_is_not_listed_again(project: Path) -> None:
    (project / "inner").mkdir()
    assert usable_roots([project / "inner", project, project], (), ()) == ((project,), ())
