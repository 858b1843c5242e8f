"""A copy after a survey: what came meanwhile is not in it, and what is in it is as it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.to_thread
import pytest

from astro_mcp.errors import NotFound
from astro_mcp.workspace.fingerprint import fingerprint
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.snapshot import Snapshot, take
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.walk import Collapsed, Entry, walk


def copied(root: Path, survey: Survey, before: Snapshot | None = None) -> Snapshot:
    bounds = {"max_files": 100, "max_bytes": 1000}
    return take(ReadGuard(), [Place(root, "")], **bounds, before=before, survey=survey)


async def test_what_came_is_left_out_what_changed_is_read_and_what_went_is_told(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    for name in ("kept.py", "changed.py", "gone.py"):
        (root / name).write_text("1")

    def work() -> Snapshot:
        before = copied(root, Survey())
        survey = Survey()
        fingerprint([Place(root, "")], survey)
        (root / "changed.py").write_text("22")
        (root / "gone.py").unlink()
        (root / "new.py").write_text("3")
        return copied(root, survey, before)

    copy = await anyio.to_thread.run_sync(work)
    assert {file.path: file.data for file in copy.files} == {"kept.py": b"1", "changed.py": b"22"}
    assert [line.partition(" ")[0] for line in copy.withheld] == ["gone.py"]


async def test_a_folder_is_walked_once_and_one_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[Place] = []

    def counted(place: Place, *, spares: Callable[[str], bool] | None) -> Iterator[Entry | Collapsed]:
        walked.append(place)
        return walk(place, spares=spares)

    monkeypatch.setattr("astro_mcp.workspace.survey.walk", counted)
    (tmp_path / "a.py").write_text("1")
    root = tmp_path.resolve()

    def work() -> None:
        survey = Survey()
        fingerprint([Place(root, "")], survey)
        assert len(copied(root, survey).files) == 1
        with pytest.raises(NotFound):
            survey.below(Place(root, "nowhere"))

    await anyio.to_thread.run_sync(work)
    assert [place.relative for place in walked] == ["", "nowhere"]
