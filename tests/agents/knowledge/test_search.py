"""What a search finds, and what it must not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from astro_mcp.agents.knowledge import search
from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.index import Index
from astro_mcp.agents.knowledge.record import Record
from astro_mcp.agents.knowledge.words import terms
from astro_mcp.core.authority import Grant, Label
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import InvalidInput, NoRoot, NotFound


async def test_meaning_finds_a_passage_that_shares_no_word_with_the_question(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        login = await desk.search("authentication: is this person's credential correct")
        plants = await desk.search("growing vegetables at home")
    assert (login[0].source, login[0].start_line) == ("src/accounts.py", 1)
    assert "verify_password_hash" in login[0].text
    assert plants[0].source == "docs/guide.md"


async def test_a_word_is_found_within_a_sentence_that_sets_no_blanks(house: Any, tmp_path: Path, project: Path) -> None:
    files = {
        "deploy": "我们在上传失败时重试五次,每次之间的等待时间会增加。数据库备份每天凌晨三点运行。",
        "weather": "今天的天气很好,我们去公园散步。每次散步之间会休息,然后我们回家吃饭。",
        "upload": "アップロードに失敗した場合は五回まで再試行します。",
        "cellar": "春には地下室に水が入ることがあるので、荷物は棚の上に置いてください。",
    }
    for name, text in files.items():
        (project / "docs" / f"{name}.txt").write_text(text * 3, encoding="utf-8")
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index", paths=["docs"])
        asked = {"上传失败": "deploy", "备份": "deploy", "散步": "weather", "再試行": "upload", "地下室の水": "cellar"}
        for query, name in asked.items():
            assert (await desk.search(query))[0].source == f"docs/{name}.txt", query
            words = await Record(desk.database, SystemClock()).find_words(desk.session.scope, terms(query), Filter(), 9)
            assert len(words) == 1, query


async def test_who_leaves_out_the_marks_on_letters_finds_words_as_well(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_remember", title="Key", text="Der Schlüssel liegt bei Frau Müller im Büro.")
        await desk.value("kb_remember", title="Millers", text="A miller grinds grain by the river.")
        await desk.caught_up()
        marked, plain = [(await desk.search(query))[0] for query in ("Müller Büro", "Muller Buro")]
    assert (plain.title, plain.score) == ("Key", marked.score)


async def test_a_passage_that_two_collections_have_is_found_once(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index", collection="docs", paths=["docs"])
        await desk.value("kb_index")
        for scope in ("project", "user"):
            await desk.value("kb_remember", title="Tomatoes", text="They want water at their roots.", scope=scope)
        found = await desk.search("tomatoes want water at their roots", k=4)
        notes = await desk.search("tomatoes want water at their roots", kinds=["note"])
        (project / "docs" / "guide.md").write_text("# Guide\n\nTomatoes want water at noon.\n")
        await desk.value("kb_index")
        changed = await desk.search("tomatoes want water at their roots", kinds=["document"])
    assert [hit.source for hit in found].count("docs/guide.md") == 1
    assert len(found) == 4, "others take the place"
    assert len(notes) == 2, "two notes are two, whatever they say"
    assert [hit.source for hit in changed].count("docs/guide.md") == 2, "what differs is told"


async def test_passages_that_overlap_keep_the_places_that_they_earn(house: Any, tmp_path: Path, project: Path) -> None:
    lines = [f"Tomatoes of row {n} want six hours of sun, and water at their roots in the morning." for n in range(60)]
    (project / "docs" / "rows.txt").write_text("\n".join(lines))
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index", paths=["docs"])
        await desk.caught_up()
        few = await desk.search("tomatoes want sun and water", k=4)
        every = await desk.search("tomatoes want sun and water", k=50)
    spans = sorted((hit.start_line, hit.end_line) for hit in few if hit.source == "docs/rows.txt")
    assert any(end >= start for (_, end), (start, _) in pairwise(spans))
    assert [hit.id for hit in few] == [hit.id for hit in every[:4]]


async def test_tags_are_completed_from_the_sessions_notes_one_after_the_other(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        complete = desk.registry.completer("tags", Grant())
        note = {"title": "Retries", "text": "We retry five times."}
        await desk.value("kb_remember", **note, tags=["Decision", "retries", "re\u202ed"])
        await desk.value("kb_remember", **note, tags=["release"], scope="user")
        assert await complete(desk.session, "") == ["decision", "release", "retries"]
        assert await complete(desk.session, "RE") == ["release", "retries"]
        assert await complete(desk.session, "retries, de") == ["retries, decision"]
        assert await complete(desk.session, "retries,re") == ["retries, release"]
        elsewhere, stranger = desk.at(tmp_path), desk.at(project, principal="stranger")
        assert await complete(elsewhere.session, "") == ["release"], "the user's own notes are in every workspace"
        assert await complete(stranger.session, "") == []


@pytest.mark.parametrize("query", ["sendWithBackoff", "backoff", "SENDWITHBACKOFF"])
async def test_an_identifier_is_found_whole_and_by_its_parts(
    house: Any, tmp_path: Path, project: Path, query: str
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        best = (await desk.search(query))[0]
    assert best.source == "src/upload.py"
    assert best.score == 1.0
    assert best.start_line <= 10 <= best.end_line


async def test_words_find_what_was_just_indexed_before_any_vector_exists(
    house: Any, tmp_path: Path, project: Path
) -> None:
    nothing = tmp_path / "no-model"
    nothing.mkdir()
    async with house(tmp_path / "data", project, model=nothing) as desk:
        report = await desk.value("kb_index")
        found = await desk.value("kb_search", query="monthly invoice")
        health = await desk.registry.agents["knowledge"].health()
    assert report.added == 4
    assert report.pending_embeddings == 5
    assert "can't be read" in report.notice
    assert found.items[0].source == "src/accounts.py"
    assert found.notice.startswith("by words only: ")
    assert "5 chunks" in found.notice
    assert found.notice in found.text()
    assert not health.ok


async def test_a_model_that_is_not_what_its_digest_says_is_not_loaded(
    house: Any, tmp_path: Path, project: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    source = Path(__file__).parents[3] / "resources" / "models" / "minilm-l6-v2-int8"
    for path in source.iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    data = bytearray((model / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (model / "model.onnx").write_bytes(data)
    async with house(tmp_path / "data", project, model=model) as desk:
        found = await desk.value("kb_search", query="invoice")
    assert "model.onnx of the model minilm-l6-v2-int8 was changed" in found.notice


async def test_kinds_and_tags_narrow_a_search(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.value("kb_remember", title="Uploads", tags=["Decision", "storage"], text="Uploads go to the bucket.")
        await desk.value("kb_remember", title="Uploads again", tags=["idea"], text="Uploads could be resumable.")
        kinds = {hit.source for hit in await desk.search("uploads", kinds=["document"])}
        tagged = await desk.search("uploads", tags=["decision"])
        both = await desk.search("uploads", tags=["decision", "idea"])
        with pytest.raises(InvalidInput) as error:
            await desk.search("uploads", kinds=["notes"])
    assert kinds <= {"docs/guide.md", ".gitignore"}
    assert [hit.title for hit in tagged] == ["Uploads"]
    assert both == []
    assert error.value.hint == "did you mean note?"


@pytest.mark.parametrize(("query", "title"), [("C++", "Engine"), ("c#", "Tools"), ("C++ pigeons", "Engine")])
async def test_a_language_with_a_name_of_one_letter_is_looked_for_by_words(
    house: Any, tmp_path: Path, project: Path, query: str, title: str
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_remember", title="Engine", text="The engine is C++, and nothing else.")
        await desk.value("kb_remember", title="Tools", text="Who writes F# or C# has the tools of the house.")
        await desk.value("kb_remember", title="Cats", text="Caterpillars come in March, cats come all year.")
        words = await Record(desk.database, SystemClock()).find_words(desk.session.scope, terms(query), Filter(), 9)
        await desk.caught_up()
        found = await desk.value("kb_search", query=query)
    assert len(words) == 2, "both of a letter; meaning tells them apart"
    assert (found.items[0].title, found.notice) == (title, "")


async def test_an_index_of_ever_so_many_collections_is_asked_for_a_while_and_words_answer(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def slow(self: Index, shelf: Shelf, *_: Any) -> dict[int, float]:
        asked.append(shelf.collection)
        await anyio.sleep(0.2)
        return {}

    monkeypatch.setattr(search, "NEAR_SECONDS", 0.3, raising=False)
    monkeypatch.setattr(search, "SHELVES_AT_ONCE", 3, raising=False)
    async with house(tmp_path / "data", project) as desk:
        for number in range(6):
            await desk.value("kb_index", collection=f"docs-{number}", paths=["docs"])
        await desk.caught_up()
        monkeypatch.setattr(Index, "nearest", slow)
        found = await desk.value("kb_search", query="tomatoes")
    assert found.items[0].source == "docs/guide.md"
    assert found.notice == "by words only: 6 collections took the vector index too long"
    assert len(asked) == 2


@pytest.mark.parametrize("query", ["!=", "->", "\N{ROCKET}"])
async def test_a_question_without_a_word_is_answered_by_meaning_and_says_so(
    house: Any, tmp_path: Path, project: Path, query: str
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        found = await desk.value("kb_search", query=query)
    assert found.notice == "by meaning alone: the question has no word to look for"


async def test_a_question_without_a_word_is_not_said_to_be_answered_by_words(
    house: Any, tmp_path: Path, project: Path
) -> None:
    (tmp_path / "no-model").mkdir()
    async with house(tmp_path / "data", project, model=tmp_path / "no-model") as desk:
        found = await desk.value("kb_search", query="!=")
    assert found.items == []
    assert found.notice.startswith("nothing to go by: the question has no word to look for; the model minilm")


@pytest.mark.parametrize("query", [" ", "\n\t", "\u3000"])
async def test_a_blank_question_is_refused(house: Any, tmp_path: Path, project: Path, query: str) -> None:
    async with house(tmp_path / "data", project) as desk:
        with pytest.raises(InvalidInput) as error:
            await desk.value("kb_search", query=query)
    assert (error.value.message, error.value.hint) == ("query: it is blank", "kb_list tells all that is known")


async def test_a_query_has_no_operators(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        for query in (
            '"',
            "NEAR(",
            "a OR",
            "title:x",
            "*",
            "'; DROP TABLE knowledge_chunk; --",
            "\0",
            "\U0001f600 ",
            "-",
            "^",
        ):
            assert await desk.search(query) is not None
        assert len(await desk.rows("SELECT id FROM knowledge_chunk")) == 5


async def test_hits_carry_the_labels_of_what_they_were_made_from(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.call("kb_remember", title="Own", text="An own thought on turnips.")
        own = await desk.call("kb_search", query="turnips")
        await desk.call("kb_remember", labels=frozenset({Label.UNTRUSTED}), title="Web", text="A page says: radish.")
        web = await desk.call("kb_search", query="radish", k=1)
        await desk.value("kb_index")
        code = await desk.call("kb_search", query="sendWithBackoff", k=1, kinds=["code"])
    assert own.labels == {Label.PRIVATE}
    assert web.labels == {Label.PRIVATE, Label.UNTRUSTED}
    assert code.labels == {Label.PRIVATE, Label.UNTRUSTED}
    assert code.sources == ("src/upload.py",)


async def test_a_note_tells_of_notes_that_say_the_same(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        first = await desk.value("kb_remember", title="Retries", text="Uploads retry five times with jitter.")
        again = await desk.value("kb_remember", title="Retries", text="Uploads retry five times with jitter.")
        await desk.value("kb_remember", title="Deploy", text="We deploy blue and green on Fridays.")
        await desk.caught_up()
        text = "An upload is tried again up to five times, with a random pause."
        alike = await desk.value("kb_remember", title="Retry policy", text=text)
    assert again.id == first.id
    assert first.similar_existing == []
    assert [note.id for note in alike.similar_existing] == [first.id]
    assert first.id in alike.text()


async def test_one_host_finds_nothing_of_another_ones_project(house: Any, tmp_path: Path, project: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with house(tmp_path / "data", project) as mine:
        await mine.value("kb_index")
        await mine.value("kb_remember", title="Secret plan", text="The launch code is heliotrope.")
        await mine.caught_up()
        theirs = mine.at(other)
        for query in ("sendWithBackoff", "heliotrope launch code", "what do vegetables need"):
            for reach in ("all", "project", "user"):
                assert await theirs.search(query, scope=reach) == []
        resource, variables = mine.registry.resource("astro://knowledge/workspace", mine.session.grant)
        with pytest.raises(NotFound) as foreign:
            await resource.read(theirs.session, variables)
        with pytest.raises(NotFound) as missing:
            await resource.read(theirs.session, {"collection": "nothing"})
        assert foreign.value.as_dict() == missing.value.as_dict()
        assert resource.complete is not None
        assert await resource.complete(theirs.session, "") == []
        assert await resource.complete(mine.session, "work") == ["workspace"]
        note = await theirs.value("kb_remember", title="Secret plan", text="The launch code is heliotrope.")
        assert note.similar_existing == []
        assert await mine.at(project, principal="somebody else").search("heliotrope") == []


async def test_a_chunks_number_opens_nothing_to_another_scope(house: Any, tmp_path: Path, project: Path) -> None:
    """Numbers are no permission, even where an index named a foreign one."""
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        record = Record(desk.database, SystemClock())
        chunks = [row["id"] for row in await desk.rows("SELECT id FROM knowledge_chunk")]
        assert len(await record.hits(desk.session.scope, chunks, Filter())) == len(chunks) == 5
        assert await record.hits(desk.at(tmp_path).session.scope, chunks, Filter()) == []
        assert await record.known(desk.at(tmp_path).session.scope, "workspace") == {}


async def test_the_words_of_one_scope_do_not_move_the_ranking_of_another(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        one, other = desk.at(tmp_path / "one"), desk.at(tmp_path / "two")
        for title in ("zebra", "quagga"):
            await one.value("kb_remember", title=title, text=f"the {title} stands in the meadow")
        await one.caught_up()
        before = [hit.score for hit in await one.search("zebra quagga")]
        for number in range(20):
            await other.value("kb_remember", title=f"{number}", text=f"zebra zebra zebra {number}")
        await one.caught_up()
        assert [hit.score for hit in await one.search("zebra quagga")] == before


async def test_a_users_note_is_found_from_every_root_and_a_project_note_needs_one(
    house: Any, tmp_path: Path, project: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_remember", title="Style", scope="user", text="I write docstrings in British English.")
        assert [hit.title for hit in await desk.at(other).search("docstrings")] == ["Style"]
        assert [hit.title for hit in await desk.at().search("docstrings")] == ["Style"]
        assert await desk.at(other).search("docstrings", scope="project") == []
        assert await desk.at(other, principal="somebody else").search("docstrings") == []
        with pytest.raises(NoRoot):
            await desk.at().value("kb_remember", title="x", text="y")
