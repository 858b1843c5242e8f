"""The look that follows every hostile program sees what it is there to see."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.security.sandbox import ground as watched
from tests.security.sandbox.ground import Ground

from astro_mcp.sandbox import hardening


def test_the_look_sees_a_descriptor_that_stays_open_and_not_that_an_earlier_one_was_closed(
    tmp_path: Path,
) -> None:
    with (tmp_path / "earlier").open("w") as earlier:
        before = watched.descriptors()
        with (tmp_path / "left").open("w") as left:
            assert watched.left_open(before) == {left.fileno(): str(tmp_path / "left")}
            earlier.close()
            assert watched.left_open(before) == {left.fileno(): str(tmp_path / "left")}
    assert watched.left_open(before) == {}


async def test_the_look_sees_a_touched_host_a_process_outside_and_a_run_that_is_not_clean(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ground.harm() == []
    (ground._folder / "left").touch()
    assert [each.split(":")[0] for each in await ground.harm()] == ["the host"]
    (ground._folder / "left").unlink()
    sleeper = ["sleep", "60"]
    with subprocess.Popen(sleeper, user=hardening.USER, cwd="/", stdin=subprocess.DEVNULL) as process:
        assert str(process.pid) in "".join(await ground.harm(patience=0.0))
        process.kill()
    dirty = b"open('/tmp/left', 'w').close()\n" + watched.LOOK
    monkeypatch.setattr(watched, "LOOK", dirty)
    assert [each.split(":")[0] for each in await ground.harm()] == ["the next run"]
