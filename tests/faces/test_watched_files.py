"""Files that hosts watch, in both protocol eras: what is told, and what is none of theirs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from tests.workflow.house import session

from astro_mcp.agents.files.agent import FilesAgent
from astro_mcp.agents.files.work import FilesWork
from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Session
from astro_mcp.core.deferred import Ready
from astro_mcp.core.ports import SystemClock
from astro_mcp.faces.mcp import subscriptions
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.workspace import inotify, watching
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.workspace import Workspace

from .hosts import Hosts, hosts
from .test_subscriptions import Watch
from .test_subscriptions import watching as watched
from .test_tools import ERAS, ONE_ERA

pytestmark = pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")  # it is the other era's
URI = "astro://files/sub/f.txt"
SILENCE = 0.15


@pytest.fixture(params=["inotify", "looks"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's word, and where it gives none."""
    monkeypatch.setattr(subscriptions, "PAUSE_SECONDS", 0.0)
    if request.param == "looks":
        monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
        monkeypatch.setattr(inotify, "open_queue", _no_queue)
    else:
        monkeypatch.setattr(watching, "LOOK_SECONDS", 30.0)


def _no_queue() -> int:
    raise OSError("as many as the system allows are open")


@asynccontextmanager
async def files(tmp_path: Path) -> AsyncIterator[tuple[Hosts, Session, Path]]:
    """A house with the files agent, a session, and the folder of the file that is watched."""
    async with hosts(tmp_path) as house:
        clock = SystemClock()
        root = (tmp_path / "project").resolve()
        (root / "sub").mkdir(parents=True)
        (root / "sub" / "f.txt").write_text("one\n")
        who = session(root)
        workspace = Workspace(SecretSettings())
        artifacts = Artifacts(house.house.database, tmp_path / "artifacts", clock)
        changes = Changes(workspace, house.house.database, artifacts, clock)
        await house.house.dispatcher.registry.register(FilesAgent(Ready(FilesWork(workspace, changes))))
        yield house, who, root


async def told(watch: Watch, since: int) -> int:
    """How often it was told, once it was told more often than `since` and nothing follows."""
    await watch.until(lambda: len(watch.told) > since)
    await anyio.sleep(SILENCE)
    return len(watch.told)


@pytest.mark.usefixtures("_way")
@ONE_ERA
async def test_a_file_that_is_written_replaced_deleted_and_made_again_is_told_of(tmp_path: Path, mode: str) -> None:
    async with files(tmp_path) as (house, who, root), watched(house, mode, URI, who=who) as (client, watch):
        file = root / "sub" / "f.txt"
        file.write_text("two\n")
        count = await told(watch, 0)
        (root / "sub" / "new").write_text("three\n")
        (root / "sub" / "new").replace(file)
        count = await told(watch, count)
        file.unlink()
        count = await told(watch, count)
        file.write_text("four\n")
        count = await told(watch, count)
        await client.call_tool("fs_write", {"path": "sub/f.txt", "content": "five\n"})
        await told(watch, count)
        assert set(watch.told) == {URI}


@pytest.mark.usefixtures("_way")
@ONE_ERA
async def test_what_happens_beside_it_and_reading_it_is_not_told(tmp_path: Path, mode: str) -> None:
    async with files(tmp_path) as (house, who, root), watched(house, mode, URI, who=who) as (client, watch):
        (root / "sub" / "other.txt").write_text("x\n")
        (root / "sub" / "other.txt").unlink()
        assert "one" in str(await client.read_resource(URI))
        await anyio.sleep(SILENCE)
        assert watch.told == []


@pytest.mark.usefixtures("_way")
async def test_a_link_that_leads_out_or_to_a_secret_since_tells_nothing_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f.txt").write_text("secret\n")
    async with files(tmp_path) as (house, who, root), watched(house, "auto", URI, who=who) as (_, watch):
        file = root / "sub" / "f.txt"
        file.unlink()
        os.symlink(outside / "f.txt", file)
        count = await told(watch, 0)  # the file is gone
        (outside / "f.txt").write_text("more secret\n")
        (outside / "f.txt").unlink()
        await anyio.sleep(SILENCE)
        assert len(watch.told) == count
        (root / ".env").write_text("TOKEN=1\n")
        file.unlink()
        os.symlink(root / ".env", file)
        await anyio.sleep(SILENCE)
        (root / ".env").write_text("TOKEN=other\n")
        await anyio.sleep(SILENCE)
        assert len(watch.told) == count, "nor of a secret's changes, inside"
        file.unlink()
        file.write_text("inside\n")
        await told(watch, count)


async def test_a_folder_on_the_way_is_replaced_and_that_is_found_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.1)
    async with files(tmp_path) as (house, who, root), watched(house, "auto", URI, who=who) as (_, watch):
        (root / "next").mkdir()
        (root / "next" / "f.txt").write_text("two\n")
        (root / "sub").rename(root / "old")
        (root / "next").rename(root / "sub")
        count = await told(watch, 0)
        (root / "sub" / "f.txt").write_text("three\n")
        await told(watch, count)


@ERAS
async def test_what_may_not_be_read_may_not_be_watched(tmp_path: Path, mode: str) -> None:
    async with files(tmp_path) as (house, who, root):
        (root / ".env").write_text("TOKEN=1\n")
        (root / "out").symlink_to(tmp_path)
        for path in (".env", "missing", "out/x", "../x", "sub"):
            async with house.client(mode, who) as client:
                if mode == "legacy":
                    with pytest.raises(MCPError):
                        await client.subscribe_resource(f"astro://files/{path}")
                else:
                    async with client.listen(resource_subscriptions=[f"astro://files/{path}"]) as stream:
                        assert not stream.honored.resource_subscriptions


@ONE_ERA
async def test_nothing_is_held_after_the_last_watch_has_ended(tmp_path: Path, mode: str) -> None:
    async with files(tmp_path) as (house, who, root):
        counts = []
        for _ in range(2):
            async with watched(house, mode, URI, who=who) as (_, watch):
                (root / "sub" / "f.txt").write_text(f"{os.urandom(4).hex()}\n")
                await told(watch, 0)
            counts.append(len(os.listdir("/proc/self/fd")))
        assert counts[0] == counts[1]
        assert not any("inotify" in os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
