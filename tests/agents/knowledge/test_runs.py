"""What workflows produced is found: through the real app, with real runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from astro_mcp.agents.knowledge import runs as followed
from astro_mcp.core.authority import Label
from astro_mcp.errors import InvalidInput
from astro_mcp.testing import Workbench, workbench
from astro_mcp.workflow.produced import prose

SPEC = {
    "name": "harvest",
    "steps": [
        {"id": "look", "tool": "fs_read", "with": {"path": "field.txt"}},
        {"id": "keep", "tool": "fs_write", "with": {"path": "barn.txt", "content": "hay"}},
        {"id": "think", "ask": "How was it?", "answer": {"verdict": "string"}},
    ],
    "outputs": {"verdict": "${{ steps.think.verdict }}"},
}
VERDICT = "The quinces of the northern orchard ripened two weeks late."


async def ran(bench: Workbench, verdict: str = VERDICT) -> str:
    started: Any = await bench.value("workflow_run", spec=json.dumps(SPEC), allow=["read", "write", "destroy"])
    answer = json.dumps({"verdict": verdict})
    await bench.value("workflow_answer", run_id=started.run_id, step="think", value=answer)
    status: Any = await bench.value("workflow_status", run_id=started.run_id, wait_seconds=20)
    assert status.status == "succeeded"
    return str(started.run_id)


@pytest.fixture
def field(tmp_path: Path) -> Path:
    root = tmp_path / "field"
    root.mkdir()
    (root / "field.txt").write_text("What only stands in the file: parsnips.\n")
    return root


async def test_what_a_run_produced_is_found_by_its_owner_alone(tmp_path: Path, field: Path) -> None:
    async with workbench(tmp_path / "data", roots=[field]) as bench:
        run_id = await ran(bench)
        found = await bench.call("kb_search", query="quinces ripened late")
        items = found.unwrap().model_dump()["items"]
        read: Any = await bench.value("astro_read", uri=items[0]["source"])
        parsnips: Any = await bench.value("kb_search", query="parsnips", kinds=["run"])
        one: Any = await bench.value("kb_search", query="quinces", kinds=["run"], tags=[run_id])
        strangers = [bench.other(tmp_path), bench.other(field, principal="stranger")]
        foreign: list[Any] = [await other.value("kb_search", query="quinces") for other in strangers]
        with pytest.raises(InvalidInput):
            await bench.value("kb_index", collection="runs")
    assert {item["source"] for item in items if VERDICT in item["text"]} == {
        f"astro://runs/{run_id}",
        f"astro://runs/{run_id}/steps/think",
    }
    assert {Label.PRIVATE, Label.UNTRUSTED} <= found.labels
    assert VERDICT in read.content
    assert all("parsnips" not in item.text for item in parsnips.items), "a file is found where it lies"
    assert one.items
    assert [other.items for other in foreign] == [[], []]


@pytest.mark.full
async def test_a_run_that_was_forgotten_stays_so_and_comes_back_by_its_undo_id(tmp_path: Path, field: Path) -> None:
    async with workbench(tmp_path / "data", roots=[field]) as bench:
        run_id = await ran(bench)
        await bench.value("kb_search", query="quinces")
        gone: Any = await bench.value("kb_forget", sources=[f"astro://runs/{run_id}"])
        after: Any = await bench.value("kb_search", query="quinces", kinds=["run"])
        back: Any = await bench.value("kb_forget", undo=gone.undo_id)
        again: Any = await bench.value("kb_search", query="quinces", kinds=["run"])
    assert gone.removed == back.restored >= 2
    assert after.items == []
    assert VERDICT in again.items[0].text


@pytest.mark.full
async def test_only_the_newest_runs_are_kept_findable(
    tmp_path: Path, field: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "NEWEST", 1)
    async with workbench(tmp_path / "data", roots=[field]) as bench:
        await ran(bench, "The medlars were eaten by wasps.")
        first: Any = await bench.value("kb_search", query="medlars wasps", kinds=["run"])
        second = await ran(bench)
        later: Any = await bench.value("kb_search", query="medlars wasps", kinds=["run"])
        listed: Any = await bench.value("kb_list", kinds=["run"])
    assert "medlars" in first.items[0].text
    assert all("medlars" not in item.text for item in later.items)
    assert {item.source for item in listed.items} > {f"astro://runs/{second}"}
    assert all(second in item.source for item in listed.items)


@pytest.mark.full
async def test_runs_that_cannot_be_asked_take_nothing_else_along(
    tmp_path: Path, field: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workbench(tmp_path / "data", roots=[field]) as bench:
        await bench.value("kb_remember", title="Medlars", text="They are eaten late.")
        await bench.app.loader.through()

        def away(*args: object, **named: object) -> None:
            raise InvalidInput("the server of runs is away")

        monkeypatch.setattr("astro_mcp.workflow.scheduler.Scheduler.recent", away)
        found: Any = await bench.value("kb_search", query="medlars")
    assert found.items[0].title == "Medlars"
    assert "runs that ended lately are not searched: the server of runs is away" in found.notice


def test_data_reads_as_lines_and_is_bounded() -> None:
    assert prose({"a": {"b": ["x", 1, None]}, "c": "two\nlines"}) == "a.b.0: x\na.b.1: 1\nc:\ntwo\nlines"
    assert prose("alone") == ": alone"
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    assert prose(deep).endswith("end")
    assert len(prose({"long": "x" * 1_000_000})) <= 200_000
