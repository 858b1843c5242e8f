"""The vector index on a real Chroma server on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from tests.agents.knowledge.embedding_endpoint import embedding, moved
from tests.net.web_site import Loopback, Names, Site, answer, serving

from astro_mcp.agents.knowledge import catch_up, chroma_server
from astro_mcp.agents.knowledge.chroma_server import FILE, ChromaServer
from astro_mcp.agents.knowledge.embedding import BUILTIN
from astro_mcp.config import ChromaSettings, KnowledgeSettings, WebSettings
from astro_mcp.errors import ProviderFailed, TooLarge
from astro_mcp.net.client import GuardedClient

RUN = "from chromadb.cli.cli import app; app()"
BASE = "/api/v2/tenants/default_tenant/databases/default_database/collections"
OURS = "astro-0123456789abcdef-"
MEANING = "is this person's credential correct"


@contextmanager
def chroma(folder: Path, port: int) -> Iterator[None]:
    """`chroma run`, until the block ends."""
    argv = [sys.executable, "-c", RUN, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        child.kill()
        child.wait(timeout=10)


async def up(port: int) -> None:
    with anyio.fail_after(60):
        while True:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    return
            except OSError:
                await anyio.sleep(0.05)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
async def server(tmp_path: Path, port: int) -> AsyncIterator[KnowledgeSettings]:
    with chroma(tmp_path / "chroma", port):
        await up(port)
        yield at(port)


def at(port: int) -> KnowledgeSettings:
    return KnowledgeSettings(chroma=ChromaSettings(url=f"http://127.0.0.1:{port}", allow_private=True))


def client() -> GuardedClient:
    return GuardedClient(WebSettings(), resolve=Names(), policy=Loopback())


@pytest.mark.full
async def test_a_chroma_server_holds_the_index_and_keeps_it_over_a_restart(
    house: Any, tmp_path: Path, project: Path, server: KnowledgeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = tmp_path / "data", tmp_path / "other"
    async with house(folder, project, settings=server, client=client()) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        assert (await desk.search(MEANING))[0].source == "src/accounts.py"
        (project / "src" / "upload.py").unlink()
        await desk.value("kb_index")
        await desk.caught_up()
    assert not (folder / "knowledge" / "index").exists()
    placed = []
    place = catch_up.CatchUp._place

    async def counted(self: Any, rows: Any) -> None:
        placed.extend(rows)
        await place(self, rows)

    monkeypatch.setattr(catch_up.CatchUp, "_place", counted)
    async with house(folder, project, settings=server, client=client()) as desk:
        await desk.caught_up()
        assert (await desk.search(MEANING))[0].source == "src/accounts.py"
        assert placed == [], "what the server holds is not placed again"
    async with house(other, project, settings=server, client=client()) as desk:
        assert await desk.search(MEANING) == [], "another data folder has collections of its own"


@pytest.mark.full
async def test_a_server_that_is_down_or_empty_takes_no_word_along(
    house: Any, tmp_path: Path, project: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "AGAIN", 0.2)
    folder = tmp_path / "data"
    with chroma(tmp_path / "chroma", port):
        await up(port)
        async with house(folder, project, settings=at(port), client=client()) as desk:
            await desk.value("kb_index")
            await desk.caught_up()
    async with house(folder, project, settings=at(port), client=client()) as desk:
        down = await desk.value("kb_search", query="sendWithBackoff")
        assert down.items[0].source == "src/upload.py"
        assert down.notice.startswith("by words only: 127.0.0.1")
        with chroma(tmp_path / "empty", port):
            await up(port)
            await desk.caught_up()
            assert (await desk.search(MEANING))[0].source == "src/accounts.py"


@pytest.mark.full
async def test_a_server_that_lost_all_is_filled_again_though_nobody_searches(
    house: Any, tmp_path: Path, project: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "AGAIN", 0.2)
    async with AsyncExitStack() as desks:
        with chroma(tmp_path / "chroma", port):
            await up(port)
            desk = await desks.enter_async_context(
                house(tmp_path / "data", project, settings=at(port), client=client())
            )
            await desk.value("kb_index")
            await desk.caught_up()
        with chroma(tmp_path / "empty", port):
            await up(port)
            (project / "src" / "upload.py").write_text("def send_by_pigeon():\n    return 'coo'\n")
            await desk.value("kb_index")
            with anyio.fail_after(20):
                while not (await desk.registry.agents["knowledge"].health()).ok or await desk.rows(
                    "SELECT 1 FROM knowledge_chunk WHERE placed = 0"
                ):
                    await anyio.sleep(0.05)
            assert (await desk.search(MEANING))[0].source == "src/accounts.py"


@pytest.mark.full
async def test_a_model_moves_on_a_server_too(
    house: Any, tmp_path: Path, project: Path, server: KnowledgeSettings
) -> None:
    folder = tmp_path / "data"
    async with embedding() as running:
        async with house(folder, project, settings=server, client=client()) as desk:
            await desk.value("kb_index")
            await desk.caught_up()
        both = server.model_copy(update={"embedding": running.settings().embedding})
        async with house(folder, project, settings=both, client=client()) as desk:
            await moved(desk)
            await desk.caught_up()
            found = await desk.value("kb_search", query="credential login", kinds=["code"])
    assert (found.items[0].source, found.notice) == ("src/accounts.py", "")


@pytest.mark.parametrize("left", ["", "astro-0123", "\N{SNOWMAN}"])
async def test_an_id_that_was_left_half_written_makes_no_collection_of_others_ours(tmp_path: Path, left: str) -> None:
    (tmp_path / FILE).write_text(left)
    theirs = [{"id": "1", "name": "astro-0123456789abcdef-kb"}, {"id": "2", "name": "a-collection-of-others"}]
    async with serving() as site:
        site.replies |= {
            f"{BASE}?limit=100&offset=0": answer(json.dumps(theirs).encode()),
            f"{BASE}?limit=100&offset=100": answer(b"[]"),
        }
        assert not await ChromaServer(client(), at(site.port).chroma, tmp_path).open("", 1, [], [BUILTIN])
        first = (tmp_path / FILE).read_text()
        assert not await ChromaServer(client(), at(site.port).chroma, tmp_path).open("", 1, [], [BUILTIN])
        assert (tmp_path / FILE).read_text() == first
        assert not [path for path, _ in site.requests if "/1/" in path or "/2/" in path]


def opening(site: Site, folder: Path) -> Any:
    """What opens the index on `site`, for a record that has vectors."""
    (folder / FILE).write_text(OURS)
    return ChromaServer(client(), at(site.port).chroma, folder).open("", 1, [], [BUILTIN])


async def test_a_server_that_gives_the_same_collections_at_every_offset_is_told(tmp_path: Path) -> None:
    async with serving() as site:
        page = answer(json.dumps([{"id": "2", "name": "a-collection-of-others"}]).encode())
        site.replies = defaultdict(lambda: page)
        with anyio.fail_after(3), pytest.raises(ProviderFailed, match="the same again"):
            await opening(site, tmp_path)


async def test_a_server_that_has_ever_more_collections_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chroma_server, "MOST_PAGES", 5)

    async def more(stream: ByteStream) -> None:
        other = {"id": str(len(site.requests)), "name": "a-collection-of-others"}
        await stream.send(answer(json.dumps([other]).encode()))

    async with serving() as site:
        site.replies = defaultdict(lambda: more)
        with anyio.fail_after(3), pytest.raises(ProviderFailed, match="no end"):
            await opening(site, tmp_path)


async def test_a_server_that_deletes_nothing_is_told(tmp_path: Path) -> None:
    async with serving() as site:
        site.replies = defaultdict(lambda: answer(b"{}"))
        site.replies[f"{BASE}?limit=100&offset=0"] = answer(json.dumps([{"id": "1", "name": f"{OURS}kb"}]).encode())
        site.replies[f"{BASE}/1/get"] = answer(b'{"ids": ["7", "8"]}')
        with anyio.fail_after(3), pytest.raises(ProviderFailed, match="the same again"):
            await opening(site, tmp_path)


async def test_an_answer_longer_than_what_was_asked_for_can_be_is_not_taken_apart(tmp_path: Path) -> None:
    async with serving() as site:
        site.replies = defaultdict(lambda: answer(b"[" + b"{}," * 700_000 + b"{}]"))
        with pytest.raises(TooLarge):
            await opening(site, tmp_path)
