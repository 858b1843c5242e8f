"""Moves from one model to another that do not go straight: a model that changes under its name, a move that is turned
back, ended, or taken up again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.knowledge.embedding_endpoint import Endpoint, models, moved, spaces

from astro_mcp.agents.knowledge import serving
from astro_mcp.agents.knowledge.backlog import Backlog

pytestmark = pytest.mark.usefixtures("quick_moves")


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not true():
            await anyio.sleep(0.02)


async def test_a_model_that_gives_another_count_of_numbers_under_its_name_takes_over_from_itself(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    async with house(tmp_path / "data", project, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        at.dimension = 9  # a tag that was pulled anew
        first = await desk.value("kb_search", query="tomato")
        await moved(desk, 10)
        await desk.caught_up()
        found = await desk.value("kb_search", query="credential login", kinds=["code"])
    assert first.items[0].source == "docs/guide.md"
    assert "gives 9 numbers a text, and gave 8 before" in first.notice
    assert (found.items[0].source, found.notice) == ("src/accounts.py", "")
    assert [size for _, size in models(tmp_path / "data")] == [9 * 4]
    assert len(spaces(tmp_path / "data")) == 1


async def test_a_model_that_gives_as_many_numbers_as_before_again_answers_at_once(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    async with house(tmp_path / "data", project, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        asked = len(at.texts)
        at.dimension, at.allowed = 9, 1
        await desk.value("kb_search", query="tomato")
        at.dimension, at.allowed = 8, 1_000_000
        await moved(desk, 10)
        await desk.caught_up()
        assert (await desk.search("credential login", kinds=["code"]))[0].source == "src/accounts.py"
    assert not [text for text in at.texts[asked:] if "\n" in text], "nothing is embedded twice"


async def test_a_new_note_tells_that_a_model_gives_another_count_of_numbers_too(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    async with house(tmp_path / "data", project, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        at.dimension = 9
        (project / "docs/guide.md").write_text("# Guide\n\nMoles dig in the garden.\n")
        report = await desk.value("kb_index")
        await desk.caught_up()
    assert report.pending_embeddings == 0
    assert [size for _, size in models(tmp_path / "data")] == [9 * 4]


async def test_a_move_that_is_turned_back_leaves_no_vectors(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
    at.allowed = 3  # the probe, and one batch of two
    async with house(folder, project, settings=at.settings(), client=at.client()):
        await until(lambda: len(models(folder)) == 2)
    async with house(folder, project):
        await until(lambda: models(folder) == [("minilm-l6-v2-int8", 384 * 4)])


async def test_a_move_that_was_ended_before_it_let_go_the_old_vectors_lets_them_go_at_the_next_start(
    house: Any, tmp_path: Path, project: Path, at: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"

    async def never(self: Backlog, models: Any) -> None:
        await anyio.sleep_forever()

    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
    with monkeypatch.context() as patch:
        patch.setattr(Backlog, "keep_models", never)
        async with house(folder, project, settings=at.settings(), client=at.client()) as desk:
            await moved(desk)
    assert len(models(folder)) == 2
    async with house(folder, project, settings=at.settings(), client=at.client()):
        await until(lambda: [size for _, size in models(folder)] == [8 * 4])


async def test_a_move_to_a_third_model_lets_go_what_the_second_had_made(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    folder, settings = tmp_path / "data", at.settings()
    third = settings.model_copy(update={"embedding": settings.embedding.model_copy(update={"model": "third"})})
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
    at.allowed = 3
    async with house(folder, project, settings=settings, client=at.client()):
        await until(lambda: len(models(folder)) == 2)
    at.allowed = 3
    async with house(folder, project, settings=third, client=at.client()):
        await until(lambda: any(name.startswith("third") for name, _ in models(folder)))
        assert len(models(folder)) == 2


async def test_a_move_to_another_count_of_numbers_is_taken_up_again(
    house: Any, tmp_path: Path, project: Path, at: Endpoint
) -> None:
    folder = tmp_path / "data"
    async with house(folder, project, settings=at.settings(), client=at.client()) as desk:
        await desk.value("kb_index")
        await moved(desk)
        asked = len(at.texts)
        at.dimension, at.allowed = 9, 4  # the question, the probe, and one batch of two
        await desk.value("kb_search", query="tomato")
        await until(lambda: len(models(folder)) == 2)
    at.allowed = 1_000_000
    async with house(folder, project, settings=at.settings(), client=at.client()):
        await until(lambda: [size for _, size in models(folder)] == [9 * 4])
    chunks = [text for text in at.texts[asked:] if "\n" in text]
    assert len(chunks) == len(set(chunks)) == 5, "nothing is embedded twice"


async def test_a_move_that_a_full_disk_holds_up_leaves_the_old_index_to_answer(
    house: Any, tmp_path: Path, project: Path, at: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
    async with house(folder, project, settings=at.settings(), client=at.client()) as desk:
        with monkeypatch.context() as patch:
            patch.setattr(serving, "_keep", full)
            agent = desk.registry.agents["knowledge"]
            with anyio.fail_after(10):
                while not (told := (await agent.health()).detail):
                    await anyio.sleep(0.02)
            old = await desk.value("kb_search", query="growing vegetables at home")
        await moved(desk, 10)
    assert told == "model.json can't be written now: No space left on device"
    assert old.items[0].source == "docs/guide.md"
    assert "by words only" not in old.notice
