"""Embedding by an endpoint of the operator's, and the move from one model to another."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.knowledge.embedding_endpoint import Endpoint, models, moved, spaces

from astro_mcp.agents.knowledge import endpoint
from astro_mcp.agents.knowledge.backlog import Backlog
from astro_mcp.config import EmbeddingSettings, SecretSettings
from astro_mcp.core.authority import Label
from astro_mcp.errors import AstroError

pytestmark = pytest.mark.usefixtures("quick_moves")


@pytest.mark.parametrize("provider", ["openai", "ollama"])
async def test_an_endpoint_embeds_in_batches_and_the_model_in_the_box_does_nothing(
    house: Any, tmp_path: Path, project: Path, at: Endpoint, provider: str
) -> None:
    folder = tmp_path / "data"
    empty = tmp_path / "no-model"
    empty.mkdir()
    settings = at.settings(provider, batch=2, key="sesame")
    async with house(folder, project, model=empty, settings=settings, client=at.client()) as desk:
        report = await desk.value("kb_index")
        await moved(desk)
        found = await desk.value("kb_search", query="credential login", kinds=["code"])
    assert report.pending_embeddings == 0
    assert found.items[0].source == "src/accounts.py"
    assert found.notice == ""
    chunks = [text for text in at.texts if "\n" in text]
    assert len(chunks) == len(set(chunks)) == 5, "each once"
    assert {headers["authorization"] for _, headers in at.site.requests} == {"Bearer sesame"}
    assert [size for _, size in models(folder)] == [8 * 4]
    assert len(spaces(folder)) == 1
    assert next(iter(spaces(folder))).endswith("-8-8")


async def test_words_answer_while_the_endpoint_is_down_and_meaning_comes_back_by_itself(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    folder = tmp_path / "data"
    async with house(folder, project, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        at.status = "500 Internal Server Error"
        down = await desk.value("kb_search", query="sendWithBackoff")
        note = await desk.value("kb_remember", title="Moles", text="They dig in the garden.")
        agent = desk.registry.agents["knowledge"]
        with anyio.fail_after(30):
            while (await agent.health()).ok:
                await anyio.sleep(0.05)
        told = (await agent.health()).detail
        at.status = "200 OK"
        await desk.caught_up()
        assert (await agent.health()).ok
        assert (await desk.search("tomato", kinds=["note"]))[0].source == note.id
    assert down.items[0].source == "src/upload.py"
    assert down.notice.startswith("by words only: the embedding endpoint answered 500: away")
    assert "answered 500" in told


async def test_a_change_of_model_runs_beside_the_old_index_and_is_taken_up_again(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
    at.allowed = 3  # the probe, and one batch of two
    async with house(folder, project, settings=at.settings(), client=at.client()) as desk:
        with anyio.fail_after(30):
            while at.asked < 5:
                await anyio.sleep(0.02)
        old = await desk.value("kb_search", query="growing vegetables at home")
        note = await desk.value("kb_remember", title="Cellar", text="It floods in spring.")
        with anyio.fail_after(30):  # no word of it is in the note: it is found once it has a vector
            while not (found := (await desk.value("kb_search", query="water in the basement", kinds=["note"])).items):
                await anyio.sleep(0.02)
    assert old.items[0].source == "docs/guide.md", "the old model still answers"
    assert "another embedding model takes over when it is whole" in old.notice
    assert found[0].source == note.id
    assert [size for _, size in models(folder)] == [8 * 4, 384 * 4]
    before = list(at.texts)
    at.allowed = 1_000_000
    async with house(folder, project, settings=at.settings(), client=at.client()) as desk:
        await moved(desk)
        await desk.caught_up()
        new = await desk.value("kb_search", query="credential login", kinds=["code"])
    chunks = {text for text in at.texts if "\n" in text}
    assert len(chunks) == 6
    assert not set(before) & {text for text in at.texts[len(before) :] if "\n" in text}, "nothing is embedded twice"
    assert (new.items[0].source, new.notice) == ("src/accounts.py", "")
    assert [size for _, size in models(folder)] == [8 * 4]
    assert len(spaces(folder)) == 1
    async with house(folder, project, settings=at.settings(), client=at.client()) as desk:
        assert (await desk.search("credential login", kinds=["code"]))[0].source == "src/accounts.py"
    async with house(folder, project) as desk:
        await moved(desk)
        await desk.caught_up()
        assert (await desk.search("growing vegetables at home"))[0].source == "docs/guide.md"
    assert models(folder) == [("minilm-l6-v2-int8", 384 * 4)]


async def test_a_secret_that_may_be_read_is_found_by_words_and_never_sent(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    folder, readable = tmp_path / "data", SecretSettings(readable=(".env",))
    async with house(folder, project, secrets=readable, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        await desk.caught_up()
        (project / ".env").write_text("API_TOKEN=another2secretvalue\n")
        report = await desk.value("kb_index")
        found = await desk.call("kb_search", query="API_TOKEN")
    assert (report.updated, report.pending_embeddings) == (1, 0)
    assert found.unwrap().items[0].source == ".env"
    assert Label.SECRET in found.labels
    assert not [text for text in at.texts if "secretvalue" in text]
    async with house(folder, project, secrets=readable) as desk:
        await moved(desk)
        await desk.caught_up()
    with sqlite3.connect(folder / "astro.db") as raw:
        assert raw.execute("SELECT DISTINCT placed FROM knowledge_chunk").fetchall() == [(1,)], (
            "here it may be embedded"
        )


async def test_a_secret_that_comes_after_others_were_withheld_is_not_sent(
    house: Any, tmp_path: Path, project: Path, at: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Backlog.withhold
    told: list[str] = []

    async def withhold(self: Backlog) -> None:
        await original(self)
        if not told:  # what may come between two statements comes
            told.append("once")
            kept = await desk.call("kb_remember", frozenset({Label.SECRET}), title="Vault", text="It is sesame-4711.")
            assert kept.error is None

    async with house(tmp_path / "data", project, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        await desk.caught_up()
        monkeypatch.setattr(Backlog, "withhold", withhold)
        await desk.value("kb_remember", title="Moles", text="They dig in the garden.")
        await desk.caught_up()
        assert await desk.search("sesame vault", kinds=["note"])
    assert told
    assert any("They dig" in text for text in at.texts)
    assert not [text for text in at.texts if "4711" in text]


async def test_one_text_that_the_endpoint_refuses_keeps_nothing_else_from_being_embedded(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    at.refused = "POISON"
    (project / "docs/guide.md").write_text("# Guide\n\nPOISON for moles.\n")
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
    async with house(folder, project, settings=at.settings(batch=2), client=at.client()) as desk:
        await moved(desk)
        await desk.caught_up()
        await desk.value("kb_remember", title="Moles", text="They dig in the garden.")
        await desk.caught_up()
        assert (await desk.search("poison"))[0].source == "docs/guide.md"
        placed = [(row["title"], row["placed"]) for row in await desk.rows("SELECT title, placed FROM knowledge_chunk")]
    assert {title for title, how in placed if how == 2} == {"Guide"}
    assert len(placed) == 6
    assert [size for _, size in models(folder)] == [8 * 4]


async def test_an_endpoint_that_refuses_every_text_is_tried_again_as_a_whole(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    async with house(tmp_path / "data", project, settings=at.settings(), client=at.client()) as desk:
        at.status = "400 Bad Request"  # a model that it does not have
        assert (await desk.value("kb_index")).pending_embeddings == 5
        at.status = "200 OK"
        await moved(desk)
        await desk.caught_up()
        assert {row["placed"] for row in await desk.rows("SELECT placed FROM knowledge_chunk")} == {1}


async def test_what_a_session_with_a_secret_asks_and_remembers_is_not_sent(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    secret = frozenset({Label.SECRET})
    async with house(tmp_path / "data", project, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        await desk.caught_up()
        asked = await desk.call("kb_search", labels=secret, query="hunter2 pigeon")
        noted = await desk.call("kb_remember", labels=secret, title="Pigeon", text="Its word is hunter2.")
        after = await desk.call("kb_search", query="pigeon of the tower")
    assert "by words only: this session holds a secret" in asked.unwrap().notice
    assert noted.unwrap().id
    assert not [text for text in at.texts if "hunter2" in text]
    assert [text for text in at.texts if "of the tower" in text], "others are sent"
    assert "secret" not in after.unwrap().notice


@pytest.mark.parametrize(
    "harm",
    [
        b"not json",
        b"[]",
        b'{"data": []}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"index": 1, "embedding": [1.0]}]}',
        b'{"data": [{"index": 0, "embedding": [0.0, 0.0]}]}',
        b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}',
        b'{"data": [{"index": 0, "embedding": [1e999, 1.0]}]}',
        b'{"data": [{"index": 0, "embedding": ["x"]}]}',
        b'{"data": [{"index": 0, "embedding": [[1.0]]}]}',
        b'{"embeddings": [[1.0], [2.0]]}',
        b'{"embeddings": [[]]}',
        b'{"embeddings": [[' + b"1," * 9000 + b"1]]}",
        b"[" * 100_000,
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_typed_error(at: Endpoint, harm: bytes) -> None:
    at.harm = harm
    with pytest.raises(AstroError) as error:
        await endpoint.Endpoint(at.client(), at.settings().embedding).documents(["one"])
    assert error.value.code == "provider_failed"


async def test_an_answer_longer_than_its_vectors_can_be_is_not_taken_apart(at: Endpoint) -> None:
    asked = endpoint.Endpoint(at.client(), at.settings().embedding)
    at.dimension = 8192
    assert (await asked.documents(["one", "two"])).shape == (2, 8192)
    few = endpoint.Endpoint(at.client(), at.settings().embedding)
    at.dimension = 8
    for length in (800_000, 150_000):  # before and after it is known how many numbers it gives
        at.harm = b'{"data": [' + b'{"index": 0, "embedding": [1]},' * (length // 31) + b"{}]}"
        with pytest.raises(AstroError) as error:
            await few.query("one")
        assert error.value.code == "too_large"
        at.harm = b""
        assert (await few.query("one")).shape == (1, 8)


@pytest.mark.full
async def test_what_is_refused_is_asked_again_only_where_that_may_help(at: Endpoint) -> None:
    asked = endpoint.Endpoint(at.client(), at.settings().embedding)
    for status, times, code in (
        ("503 Busy", 3, "provider_failed"),
        ("429 Slow Down", 3, "rate_limited"),
        ("401 Who Are You", 1, "provider_failed"),
    ):
        at.status, at.asked = status, 0
        with pytest.raises(AstroError) as error:
            await asked.documents(["one"])
        assert (at.asked, error.value.code) == (times, code)
    at.status = "200 OK"
    assert (await asked.documents(["one"])).shape == (1, 8)
    at.dimension = 9
    with pytest.raises(AstroError) as other:
        await asked.documents(["one"])
    assert "gives 9 numbers a text, and gave 8 before" in other.value.message


@pytest.mark.parametrize(
    "given",
    [{"provider": "openai"}, {"base_url": "https://a.example", "model": "m"}, {"provider": "ollama", "model": "m"}],
)
def test_a_half_of_an_endpoint_is_no_setting(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an endpoint has a provider, a base_url and a model"):
        EmbeddingSettings(**given)
