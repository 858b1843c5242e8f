"""Notes have a history, and a tenant's people share what the operator lets them write."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from astro_mcp.agents.knowledge.versions import MOST
from astro_mcp.config import KnowledgeSettings
from astro_mcp.core.authority import Label
from astro_mcp.errors import Conflict, Forbidden, NotFound
from astro_mcp.store.database import Database, migrations


async def whole(desk: Any, note: str, collection: str = "notes") -> str:
    resource, variables = desk.registry.resource(f"astro://knowledge/{collection}/{note}", desk.session.grant)
    return str((await resource.read(desk.session, variables)).text)


async def test_other_words_under_the_same_title_are_the_next_version(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        first = await desk.value("kb_remember", title="Retries", text="Five times.", tags=["decision"])
        same = await desk.value("kb_remember", title="Retries", text="Five times.", tags=["decision"])
        second = await desk.value("kb_remember", title=" retries ", text="Six times.")
        found = await desk.search("times", k=50)
        body = await whole(desk, first.id)
    assert (same.id, same.version) == (first.id, 1)
    assert (second.id, second.version) == (first.id, 2)
    assert f"astro://knowledge/notes/{first.id}" in second.text()
    assert [hit.text for hit in found] == ["Six times."], "what was said before is history, and no answer"
    assert body.index("Six times.") < body.index("Five times.")


async def test_a_note_keeps_its_tags_until_it_is_given_others(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        note = await desk.value("kb_remember", title="Retries", text="Five times.", tags=["decision"])
        await desk.value("kb_remember", title="retries", text="Six times.")
        by_title = await desk.search("times", tags=["decision"])
        await desk.value("kb_remember", id=note.id, title="Attempts", text="Seven times.")
        by_id = await desk.search("times", tags=["decision"])
        await desk.value("kb_remember", id=note.id, title="Attempts", text="Seven times.", tags=[])
        given = await desk.value("kb_search", query="times", tags=["decision"])
    assert [hit.text for hit in by_title + by_id] == ["Six times.", "Seven times."]
    assert given.items == []
    assert "nothing was left by tags decision" in given.text()


async def test_the_id_of_a_hit_stands_for_its_note_at_every_door(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        note = await desk.value("kb_remember", title="Retries", text="Five times.")
        hit = (await desk.search("times"))[0]
        changed = await desk.value("kb_remember", id=hit.id, title="Attempts", text="Six times.")
        assert "Five times." in await whole(desk, hit.id)
        assert (await desk.value("kb_forget", ids=[hit.id])).removed == 1
    assert hit.id == f"{note.id}.1"
    assert (changed.id, changed.version) == (note.id, 2)


async def test_a_note_is_changed_by_its_id_title_and_all(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        first = await desk.value("kb_remember", title="Retries", text="Five times.")
        other = await desk.value("kb_remember", title="Pauses", text="None.")
        renamed = await desk.value("kb_remember", id=first.id, title="Attempts", text="Five times.")
        with pytest.raises(Conflict) as taken:
            await desk.value("kb_remember", id=first.id, title="pauses", text="Five times.")
        with pytest.raises(NotFound):
            await desk.value("kb_remember", id="note_0", title="Attempts", text="x")
        await desk.value("kb_index")
        document = next(item for item in (await desk.value("kb_list")).items if item.source == "docs/guide.md")
        with pytest.raises(NotFound):
            await desk.value("kb_remember", id=document.id, title="Mine now", text="x")
        titles = {item.title for item in (await desk.value("kb_list", kinds=["note"])).items}
        passages = await whole(desk, document.id, "workspace")
        with pytest.raises(NotFound):
            await whole(desk, document.id)
    assert (renamed.id, renamed.version) == (first.id, 2)
    assert other.id in taken.value.message
    assert titles == {"Attempts", "Pauses"}
    assert "Tomatoes want six hours" in passages


@pytest.mark.full
async def test_the_history_of_a_note_is_bounded(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        for number in range(MOST + 3):
            note = await desk.value("kb_remember", title="Count", text=f"It is {number}.")
        rows = await desk.rows("SELECT version FROM knowledge_version ORDER BY version")
    assert note.version == MOST + 3
    assert [row["version"] for row in rows] == list(range(4, MOST + 4))


async def test_a_tenant_reads_what_its_people_were_allowed_to_share(house: Any, tmp_path: Path, project: Path) -> None:
    note = {"title": "Holidays", "text": "The office is closed in August.", "scope": "tenant"}
    other = tmp_path / "other"
    other.mkdir()
    async with house(tmp_path / "data", project) as desk:
        with pytest.raises(Forbidden) as refused:
            await desk.value("kb_remember", **note)
    async with house(tmp_path / "data", project, settings=KnowledgeSettings(shared=True)) as desk:
        kept = await desk.value("kb_remember", **note)
    async with house(tmp_path / "data", project) as desk:
        colleague = desk.at(other, principal="colleague")
        found = await colleague.call("kb_search", query="when is the office closed")
        stranger = desk.at(other, principal="visitor", tenant="elsewhere")
        assert await stranger.search("office closed") == []
        assert (await stranger.value("kb_list")).items == []
        assert (await colleague.value("kb_forget", ids=[kept.id])).removed == 0
        shelf = (await colleague.value("kb_list", scope="tenant")).collections
    assert "[knowledge]" in refused.value.hint
    assert [hit.source for hit in found.unwrap().items] == [kept.id]
    assert Label.UNTRUSTED in found.labels, "somebody else wrote it"
    assert [(one.name, one.scope) for one in shelf] == [("notes", "tenant")]


async def test_a_record_of_before_keeps_its_notes_chunks_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "astro.db"
    with sqlite3.connect(path) as raw:
        for number, script in migrations():
            if number < 9:
                raw.executescript(script)
        raw.execute("PRAGMA user_version = 8")
        for note, title in (("note_a", "Retries"), ("note_b", "Retries"), ("note_c", "Pauses")):
            row = ("local", "s", note, "notes", f"digest of {note}", "note", title, "[]", "private", note, 1.0, 2.0)
            raw.execute("INSERT INTO knowledge_document VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        for note, ordinal in (("note_a", 1), ("note_c", 1), ("note_c", 2), ("note_a", 2)):
            chunk = ("local", "s", "notes", note, ordinal, 1, 1, "t", "c", f"{note} {ordinal}", "x")
            raw.execute(
                "INSERT INTO knowledge_chunk (tenant, scope, collection, document, ordinal, start_line, end_line,"
                " title, context, text, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                chunk,
            )
        raw.execute("DELETE FROM knowledge_chunk WHERE id = 4")
        raw.execute("DELETE FROM knowledge_gone")
    async with Database.open(path) as database:
        chunks, notes, versions, last = await database.read(
            lambda tx: (
                tx.rows("SELECT id FROM knowledge_chunk ORDER BY id"),
                tx.rows("SELECT source FROM knowledge_document ORDER BY id"),
                tx.rows("SELECT document, text FROM knowledge_version ORDER BY document"),
                tx.rows("SELECT seq FROM sqlite_sequence WHERE name = 'knowledge_chunk'"),
            )
        )
        gone = await database.write(
            lambda tx: (
                tx.execute("DELETE FROM knowledge_chunk WHERE id = 1"),
                tx.rows("SELECT chunk FROM knowledge_gone"),
            )
        )
    assert [row["id"] for row in chunks] == [1, 2, 3]
    assert [row["seq"] for row in last] == [4], "a number is never given twice"
    assert [row["source"] for row in notes] == ["retries", "digest of note_b", "pauses"]
    assert [tuple(row) for row in versions] == [("note_a", "note_a 1"), ("note_c", "note_c 1\nnote_c 2")]
    assert [row["chunk"] for row in gone[1]] == [1], "the index is told of what goes, as before"
