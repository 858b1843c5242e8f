"""What is listed, what is forgotten, and that it really comes back."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from tests.quickest import within

from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import Forbidden, InvalidInput, NotFound
from astro_mcp.store.connection import Params, Transaction

NOTE = {"title": "Retries", "text": "Uploads retry five times, with jitter.", "tags": ["decision"]}


@pytest.mark.full
async def test_a_client_lists_forgets_and_after_a_restart_brings_back(tmp_path: Path, project: Path) -> None:
    environment = {"ASTRO_MCP_HOME": str(tmp_path / "data"), "PATH": os.environ["PATH"]}
    server = StdioServerParameters(
        command=str(Path(__file__).parents[3] / ".venv" / "bin" / "astro-mcp"),
        args=["serve", "--in-process", "--root", str(project)],
        env=environment,
    )
    async with Client(server) as client:
        note = (await client.call_tool("kb_remember", NOTE)).structured_content
        changed = await client.call_tool("kb_remember", {**NOTE, "text": "Uploads retry six times."})
        assert note is not None
        assert (changed.structured_content or {})["version"] == 2
        listed = (await client.call_tool("kb_list", {"kinds": "note"})).structured_content or {}
        assert [(item["id"], item["source"], item["title"]) for item in listed["items"]] == [
            (note["id"], note["id"], "Retries")
        ]
        assert [one["name"] for one in listed["collections"]] == ["notes"]
        gone = (await client.call_tool("kb_forget", {"ids": [note["id"]]})).structured_content or {}
        assert gone["removed"] == 1
        assert not ((await client.call_tool("kb_search", {"query": "uploads"})).structured_content or {})["items"]
    async with Client(server) as client:
        back = (await client.call_tool("kb_forget", {"undo": gone["undo_id"]})).structured_content or {}
        assert (back["restored"], back["left_out"]) == (1, 0)
        found = (await client.call_tool("kb_search", {"query": "uploads"})).structured_content or {}
        assert [hit["source"] for hit in found["items"]] == [note["id"]]
        read = await client.call_tool("astro_read", {"uri": f"astro://knowledge/notes/{note['id']}"})
        assert "six times" in str(read.structured_content)
        assert "five times" in str(read.structured_content), "its history came back, too"


async def test_what_is_brought_back_is_as_it_was(house: Any, tmp_path: Path, project: Path) -> None:
    everything = """
        SELECT d.*, (SELECT group_concat(c.ordinal || c.start_line || c.end_line || c.title || c.context || c.text)
            FROM knowledge_chunk c WHERE c.document = d.id) AS chunks,
            (SELECT group_concat(v.version || v.title || v.tags || v.text || v.at) FROM knowledge_version v
            WHERE v.document = d.id) AS versions
        FROM knowledge_document d ORDER BY id
    """
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.value("kb_remember", **NOTE)
        await desk.value("kb_remember", **NOTE | {"text": "Six times."})
        await desk.caught_up()
        before = [tuple(row) for row in await desk.rows(everything)]
        hits = {(hit.id, hit.text) for hit in await desk.search("uploads", k=50)}
        gone = await desk.value("kb_forget", ids=[row[2] for row in before])
        assert gone.removed == len(before) == 5
        assert await desk.rows("SELECT 1 FROM knowledge_version") == []
        assert (await desk.value("kb_list")).items == []
    async with house(tmp_path / "data", project) as desk:
        assert (await desk.value("kb_forget", undo=gone.undo_id)).restored == 5
        await desk.caught_up()
        assert [tuple(row) for row in await desk.rows(everything)] == before
        assert {(hit.id, hit.text) for hit in await desk.search("uploads", k=50)} == hits
        again = await desk.value("kb_forget", undo=gone.undo_id)
        assert (again.restored, again.left_out, again.text()) == (0, 0, "nothing was there to change")


async def test_a_source_takes_what_lies_below_it_and_no_neighbour(house: Any, tmp_path: Path, project: Path) -> None:
    (project / "docs2").mkdir()
    (project / "docs2" / "other.md").write_text("# Another\n\nText of a neighbour.\n")
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        hit = (await desk.search("sendWithBackoff", kinds=["code"]))[0]
        folder = await desk.value("kb_forget", sources=["docs/"])
        passage = await desk.value("kb_forget", ids=[hit.id])
        nothing = await desk.value("kb_forget", sources=["docs/", "%", "src/upload"])
        left = {item.source for item in (await desk.value("kb_list")).items}
        kept = await desk.rows("SELECT count(*) AS n FROM knowledge_forgotten")
    assert (folder.removed, passage.removed) == (1, 1)
    assert (nothing.removed, nothing.undo_id) == (0, "")
    assert left == {".gitignore", "src/accounts.py", "docs2/other.md"}
    assert kept[0]["n"] == 2


async def test_a_source_is_forgotten_by_every_name_that_it_was_indexed_by(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index", paths=["./docs", "src"])
        for name in ("./docs", "docs/../docs/", str(project / "docs/guide.md")):
            gone = await desk.value("kb_forget", sources=[name])
            assert gone.removed == 1, name
            assert (await desk.value("kb_forget", undo=gone.undo_id)).restored == 1
        for name in (".", "./", str(project)):
            with pytest.raises(InvalidInput, match="no source"):
                await desk.value("kb_forget", sources=[name])
        assert (await desk.value("kb_forget", sources=["../docs", "/nowhere"])).removed == 0


async def test_a_newer_document_is_not_replaced_by_one_that_comes_back(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_remember", **NOTE)
        other = await desk.value("kb_remember", title="Deploys", text="On Fridays.")
        listed = await desk.value("kb_list")
        gone = await desk.value("kb_forget", ids=[item.id for item in listed.items])
        newer = await desk.value("kb_remember", **NOTE | {"text": "Never."})
        back = await desk.value("kb_forget", undo=gone.undo_id)
        ids = {item.id for item in (await desk.value("kb_list")).items}
    assert (back.restored, back.left_out) == (1, 1)
    assert ids == {newer.id, other.id}


async def test_one_host_forgets_and_brings_back_nothing_of_another(house: Any, tmp_path: Path, project: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        note = await desk.value("kb_remember", **NOTE)
        for stranger in (desk.at(other), desk.at(project, principal="stranger")):
            assert (await stranger.value("kb_list")).items == []
            assert (await stranger.value("kb_forget", ids=[note.id], sources=["docs", "src"])).removed == 0
            with pytest.raises(NotFound):
                await stranger.value("kb_remember", **NOTE, id=note.id)
        gone = await desk.value("kb_forget", ids=[note.id])
        with pytest.raises(NotFound):
            await desk.at(other).value("kb_forget", undo=gone.undo_id)
        with pytest.raises(InvalidInput):
            await desk.value("kb_forget")
        with pytest.raises(InvalidInput):
            await desk.value("kb_forget", ids=[note.id], undo=gone.undo_id)
        with pytest.raises(Forbidden):
            await desk.value("kb_forget", scope="tenant", ids=[note.id])
        assert (await desk.value("kb_forget", undo=gone.undo_id)).restored == 1


async def test_kinds_and_tags_narrow_the_list_newest_first(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.value("kb_remember", **NOTE)
        await desk.value("kb_remember", title="Style", text="British English.", scope="user", tags=["decision"])
        every = await desk.value("kb_list")
        tagged = await desk.call("kb_list", tags=["Decision"])
        code = await desk.value("kb_list", kinds=["code"], scope="project")
    assert [item.title for item in every.items][:2] == ["Style", "Retries"]
    assert every.total == 6
    assert {(one.name, one.scope) for one in every.collections} == {
        ("workspace", "project"),
        ("notes", "project"),
        ("notes", "user"),
    }
    assert [item.title for item in tagged.unwrap().items] == ["Style", "Retries"]
    assert {item.source for item in code.items} == {"src/upload.py", "src/accounts.py"}
    assert {one.scope for one in code.collections} == {"project"}


async def test_to_forget_many_sources_among_many_documents_takes_no_time(
    house: Any, tmp_path: Path, project: Path
) -> None:
    drafts = [Draft(f"kept/{n}.md", "document", "", "", ()) for n in range(4000)]
    async with house(tmp_path / "data", project) as desk:
        await Record(desk.database, SystemClock()).put(desk.session.scope, "workspace", drafts)
        away = [f"away/{n}" for n in range(1000)]
        assert (await within(1, lambda: desk.value("kb_forget", sources=away))).removed == 0
        named = await desk.value("kb_forget", sources=[*away[:3], "kept/7.md", "kept/12", "kept/1/"])
        assert named.removed == 1
        assert (await desk.value("kb_forget", sources=["kept"])).removed == 3999


async def test_documents_go_with_as_many_statements_as_one_does(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    execute, execute_many = Transaction.execute, Transaction.execute_many

    def one(self: Transaction, sql: str, params: Params = ()) -> int:
        deleted.extend([sql] if sql.lstrip().startswith("DELETE") and "knowledge_version" not in sql else [])
        return execute(self, sql, params)

    def many(self: Transaction, sql: str, rows: Sequence[Params]) -> int:
        deleted.extend([sql] * len(rows) if sql.lstrip().startswith("DELETE") and "knowledge_gone" not in sql else [])
        return execute_many(self, sql, rows)

    monkeypatch.setattr(Transaction, "execute", one)
    monkeypatch.setattr(Transaction, "execute_many", many)
    for number in range(30):
        (project / "docs" / f"{number}.txt").write_text(f"line of {number}\n")
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        deleted.clear()
        assert (await desk.value("kb_forget", sources=["docs/1.txt"])).removed == 1
        of_one = Counter(deleted)
        deleted.clear()
        forgotten = await desk.value("kb_forget", sources=["docs"])
        assert (forgotten.removed, Counter(deleted)) == (30, of_one)
        assert "docs/" not in str(await desk.search("line of 2", k=50))
        assert (await desk.value("kb_forget", undo=forgotten.undo_id)).restored == 30
        assert "docs/2.txt" in str(await desk.search("line of 2", k=50))
        deleted.clear()
        shutil.rmtree(project / "docs")
        assert (await desk.value("kb_index")).removed == 30
        assert max(Counter(deleted).values()) == 1
