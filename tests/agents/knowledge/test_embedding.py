"""The model in the box: what a vector is made of, who waits for whom, and its end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from tests.agents.knowledge.conftest import MODEL_FOLDER, Desk

from astro_mcp.agents.knowledge.embedding import NETWORK, TOKENS, Embedder, given, network

VECTORS = "SELECT sha256, vector FROM knowledge_vector"


async def vectors(desk: Desk) -> dict[str, bytes]:
    return {row["sha256"]: row["vector"] for row in await desk.rows(VECTORS)}


async def test_a_text_has_the_same_vector_to_the_bit_whatever_is_embedded_beside_it(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "together", project) as desk:
        assert (await desk.value("kb_index")).pending_embeddings == 0
        together = await vectors(desk)
    async with house(tmp_path / "alone", project) as desk:
        for name in ("src/upload.py", "src/accounts.py", "docs/guide.md"):
            assert (await desk.value("kb_index", paths=[name])).pending_embeddings == 0
        alone = await vectors(desk)
    assert len(alone) == 4
    assert alone.items() <= together.items()


async def test_a_query_has_the_vector_of_the_same_text_as_a_document() -> None:
    embedder = Embedder(MODEL_FOLDER)
    text = "how are uploads tried again"
    documents = await embedder.documents(["another text, and much longer than the other one is", text])
    query = await embedder.query(text)
    assert query.dtype == documents.dtype == np.float32
    assert np.array_equal(documents[1], query[0])
    assert abs(float(np.linalg.norm(query)) - 1) < 1e-6


def test_the_network_says_what_the_model_says_by_its_recipe() -> None:
    """Of a text alone no number depends on the mask: only the mean is summed otherwise."""
    model, ours, chance = (
        network(MODEL_FOLDER / "model.onnx"),
        network(MODEL_FOLDER / NETWORK),
        np.random.default_rng(7),
    )
    for length in (2, 3, 5, 19, 20, 64, 157, TOKENS):
        asked = given(chance.integers(0, 30_522, length).tolist())
        masked = asked | {"attention_mask": np.ones_like(asked["input_ids"])}
        mean = model.run(None, masked)[0][0].mean(axis=0, dtype=np.float64)
        [vector] = ours.run(None, asked)[0]
        assert np.abs(mean / np.linalg.norm(mean) - vector).max() < 1e-6, length


async def test_what_is_no_text_for_the_tokenizer_has_a_vector_too() -> None:
    found = await Embedder(MODEL_FOLDER).documents(["", "\ud800", "\0", "x" * 100_000, "word " * 10 * TOKENS])
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


async def test_searches_by_meaning_are_answered_while_documents_are_embedded(house: Any, tmp_path: Path) -> None:
    root = tmp_path / "large"
    root.mkdir()
    for number in range(20):
        body = "".join(f"def task_{number}_{i}(queue):\n    return '{'word ' * 90}{i}'\n\n\n" for i in range(10))
        (root / f"part_{number}.py").write_text(body)
    async with house(tmp_path / "data", root) as desk:
        await desk.value("kb_remember", title="Gardening", text="Tomatoes want water at their roots.")
        await desk.caught_up()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.value, "kb_index")
            while len(await desk.rows("SELECT 1 FROM knowledge_chunk")) < 200:
                await anyio.sleep(0.01)
            before = len(await vectors(desk))
            for _ in range(5):
                found = await desk.value("kb_search", query="how do I irrigate vegetables")
                assert found.items[0].title == "Gardening"
                assert "not in the vector index yet" in found.notice
            with anyio.fail_after(60):
                while len(await vectors(desk)) == before:
                    await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()


async def test_documents_whose_caller_has_gone_are_let_be_after_the_text_at_hand() -> None:
    embedder = Embedder(MODEL_FOLDER)
    await embedder.query("loaded")
    began = time.perf_counter()
    with anyio.move_on_after(0.2):
        await embedder.documents(["word " * TOKENS] * 2000)
    assert time.perf_counter() - began < 10, "a text takes a twentieth of a second, all of them more than a minute"
    assert len(await embedder.documents(["the next one has its turn at once"])) == 1
