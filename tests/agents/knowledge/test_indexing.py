"""What `kb_index` takes in, and that the index follows the source."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.quickest import with_pauses

from astro_mcp.agents.knowledge import indexing
from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.core.authority import Scope
from astro_mcp.core.call import Call
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import InvalidInput, NoRoot, NotFound, PathDenied
from astro_mcp.workspace import beneath
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace


async def test_only_what_changed_is_read_anew_and_what_is_gone_leaves(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        first = await desk.value("kb_index")
        second = await desk.value("kb_index")
        guide = project / "docs" / "guide.md"
        guide.write_text(guide.read_text().replace("Tomatoes", "Aubergines"))
        (project / "src" / "upload.py").unlink()
        (project / "notes.txt").write_text("The cellar floods in spring.\n")
        third = await desk.value("kb_index")
        assert await desk.search("sendWithBackoff", kinds=["code"]) is not None
        sources = {hit.source for hit in await desk.search("sendWithBackoff Tomatoes bucket", k=50)}
        texts = " ".join(hit.text for hit in await desk.search("tomatoes aubergines", k=50))
        vectors = await desk.rows("SELECT count(*) AS n FROM knowledge_vector")
        chunks = await desk.rows("SELECT count(DISTINCT sha256) AS n FROM knowledge_chunk")
    counts = [(r.added, r.updated, r.unchanged, r.removed, r.pending_embeddings) for r in (first, second, third)]
    assert counts == [(4, 0, 0, 0, 0), (0, 0, 4, 0, 0), (1, 1, 2, 1, 0)]
    assert "src/upload.py" not in sources
    assert "Tomatoes" not in texts
    assert "Aubergines" in texts
    assert vectors[0]["n"] == chunks[0]["n"]


async def test_what_a_cancelled_index_left_in_the_record_is_embedded(house: Any, tmp_path: Path, project: Path) -> None:
    for number in range(200):
        (project / f"docs/{number}.md").write_text(f"# Title {number}\n\nNothing is said of {number}.\n")
    async with house(tmp_path / "data", project) as desk:
        await desk.caught_up()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.call, "kb_index")
            while not await desk.rows("SELECT 1 FROM knowledge_document LIMIT 1"):
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(30):  # and nobody asks for anything meanwhile
            while await desk.rows("SELECT 1 FROM knowledge_chunk WHERE placed = 0 LIMIT 1"):
                await anyio.sleep(0.02)
        assert 0 < len(await desk.rows("SELECT 1 FROM knowledge_document")) < 204


async def test_a_path_speaks_only_for_what_lies_below_it(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        (project / "src" / "upload.py").unlink()
        docs = await desk.value("kb_index", paths=["docs"])
        one = await desk.value("kb_index", paths=["src/upload.py"])
        with pytest.raises(NotFound):
            await desk.value("kb_index", paths=["src/never.py"])
    assert (docs.unchanged, docs.removed) == (1, 0)
    assert (one.unchanged, one.removed) == (0, 1)


async def test_files_of_many_chunks_come_and_go_in_many_transactions(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "CHUNKS_AT_ONCE", 6, raising=False)
    monkeypatch.setattr(indexing, "PATIENCE", 0)
    came: list[list[int]] = []
    went: list[int] = []
    put, remove = Record.put, Record.remove

    async def counted(self: Record, scope: Scope, collection: str, drafts: Sequence[Draft]) -> Any:
        came.append([len(draft.chunks) for draft in drafts])
        return await put(self, scope, collection, drafts)

    async def removed(self: Record, scope: Scope, collection: str, sources: Sequence[str]) -> int:
        went.append(len(sources))
        return await remove(self, scope, collection, sources)

    monkeypatch.setattr(Record, "put", counted)
    monkeypatch.setattr(Record, "remove", removed)
    for number in range(40):
        (project / "docs" / f"{number}.txt").write_text(f"line of {number}\n" * (600 if number == 9 else 1))
    async with house(tmp_path / "data", project) as desk:
        report = await desk.value("kb_index", paths=["docs"])
        shutil.rmtree(project / "docs")
        after = await desk.value("kb_index", paths=["docs"])
    assert (report.added, after.removed) == (41, 41)
    assert all(sum(chunks) <= 6 or len(chunks) == 1 for chunks in came)
    assert max(len(chunks) for chunks in came) == 6
    assert went == [32, 9]


async def test_what_cannot_be_opened_now_is_not_taken_for_gone(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, open_child = Workspace.read_now, beneath.open_child
    busy = beneath.translate(OSError(errno.EMFILE, ""), "src")

    def read_now(self: Workspace, place: Place, limit: int) -> bytes:
        if place.name == "upload.py":
            raise busy
        return read(self, place, limit)

    def opened(folder: int, name: str, shown: str) -> int:
        if name == "src":
            raise busy
        return open_child(folder, name, shown)

    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        with monkeypatch.context() as patch:
            patch.setattr(Workspace, "read_now", read_now)
            file = await desk.value("kb_index")
        with monkeypatch.context() as patch:
            patch.setattr("astro_mcp.workspace.walk.open_child", opened)
            folder = await desk.call("kb_index")
        after = await desk.value("kb_index")
    assert "src/upload.py" in {item.source for item in file.failed}
    assert file.removed == 0
    assert folder.error is not None
    assert (folder.error.code, folder.error.retryable) == ("unavailable", True)
    assert (after.added, after.unchanged) == (0, 4)


@pytest.mark.parametrize("rules", [".gitignore", ".git/info/exclude"])
async def test_rules_that_cannot_be_opened_now_are_not_taken_for_none(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, rules: str
) -> None:
    (project / ".gitignore").unlink()
    (project / ".git" / "info").mkdir()
    (project / rules).write_text("build/\n")
    opened = beneath.open_file
    busy = beneath.translate(OSError(errno.EMFILE, ""), rules)

    def refused(folder: int, name: str, shown: str) -> Any:
        if name == rules.rpartition("/")[2]:
            raise busy
        return opened(folder, name, shown)

    async with house(tmp_path / "data", project) as desk:
        with monkeypatch.context() as patch:
            for module in ("folders", "content"):
                patch.setattr(f"astro_mcp.workspace.{module}.open_file", refused)
            calls = [await desk.call("kb_index", paths=paths) for paths in ([], ["build"])]
        assert [call.error and (call.error.code, call.error.retryable) for call in calls] == [("unavailable", True)] * 2
        await desk.value("kb_index")
        sources = {item.source for item in (await desk.value("kb_list")).items}
    assert "src/upload.py" in sources
    assert "build/out.py" not in sources


async def test_files_of_two_roots_are_told_apart_whichever_a_session_has_first(
    house: Any, tmp_path: Path, project: Path
) -> None:
    other = tmp_path / "other"
    (other / "src").mkdir(parents=True)
    (other / "src" / "upload.py").write_text("def send_by_pigeon():\n    return 'coo'\n")
    async with house(tmp_path / "data", project, other) as desk:
        back = desk.at(other, project)
        for one in (desk, back):
            await one.value("kb_index")
        again = [await one.value("kb_index", paths=["src"]) for one in (desk, back, desk)]
        for one, first in ((desk, project), (back, other)):
            for query, root in (("sendWithBackoff bucket", project), ("send_by_pigeon coo", other)):
                hit = (await one.search(query, kinds=["code"]))[0]
                assert hit.text.strip() in (first / hit.source).read_text()
                assert first / hit.source == root / "src" / "upload.py"
            listed = {item.source for item in (await one.value("kb_list")).items}
            assert len({first / source for source in listed}) == 5
            summary, variables = desk.registry.resource("astro://knowledge/workspace", one.session.grant)
            text = (await summary.read(one.session, variables)).text
            assert [source for source in listed if f"- {source} (" not in text] == []
            with pytest.raises(InvalidInput):
                await one.value("kb_forget", sources=["."])
        assert (await back.value("kb_forget", sources=["src/upload.py"])).removed == 1
        assert (await desk.search("bucket", kinds=["code"]))[0].source == "src/upload.py"
    assert [(report.added, report.removed) for report in again] == [(0, 0)] * 3


async def test_many_paths_and_many_documents_never_hold_up_the_loop(house: Any, tmp_path: Path, project: Path) -> None:
    def draft(source: str) -> Draft:
        return Draft(source, "document", source, "", ())

    gone, kept = [f"gone/{n}.md" for n in range(400)], [draft(f"kept/{n}.md") for n in range(5000)]
    async with house(tmp_path / "data", project) as desk:
        record = Record(desk.database, SystemClock())
        await record.put(desk.session.scope, "workspace", [*kept, *map(draft, gone)])
        report, pause = await with_pauses(lambda: desk.value("kb_index", paths=gone))
        left = (await desk.value("kb_list")).total
    assert (report.removed, left) == (400, 5000)
    assert pause < 0.5, f"{pause:.2f} s"


async def test_secrets_ignored_files_and_gits_own_are_never_indexed(house: Any, tmp_path: Path, project: Path) -> None:
    (project / "huge.txt").write_text("word " * 300_000)
    (project / "outside").symlink_to("/etc")
    (project / "passwd.txt").symlink_to("/etc/passwd")
    async with house(tmp_path / "data", project) as desk:
        report = await desk.value("kb_index")
        git = await desk.value("kb_index", paths=[".git", ".git/config", ".env"])
        rows = await desk.rows("SELECT group_concat(text) AS everything FROM knowledge_chunk")
        with pytest.raises(PathDenied):
            await desk.value("kb_index", paths=["../"])
        with pytest.raises(PathDenied):
            await desk.value("kb_index", paths=["/etc"])
        with pytest.raises(NoRoot):
            await desk.at().value("kb_index")
        with pytest.raises(InvalidInput):
            await desk.value("kb_index", collection="notes")
        with pytest.raises(InvalidInput):
            await desk.value("kb_index", collection="../x")
    failed = {item.source: item.reason for item in report.failed}
    assert failed.keys() == {".env", "huge.txt"}
    assert report.skipped == 1
    assert {item.source for item in git.failed} == {".git", ".git/config", ".env"}
    for secret in ("hunter2secretvalue", "secretgitsetting", "generatedArtifact", "root:"):
        assert secret not in rows[0]["everything"]


async def test_the_whole_workspace_is_all_of_its_roots(house: Any, tmp_path: Path, project: Path) -> None:
    (second := tmp_path / "second").mkdir()
    (second / "bills.md").write_text("# Bills\n\nBills are due on Fridays.\n")
    async with house(tmp_path / "data", project, second, project / "docs") as desk:
        first = await desk.value("kb_index")
        (found,) = await desk.search("when are bills due", k=1)
        (second / "bills.md").unlink()
        again = await desk.value("kb_index")
    assert (first.added, found.source) == (5, str(second / "bills.md"))
    assert (again.added, again.unchanged, again.removed) == (0, 4, 1)


async def test_a_large_file_without_text_is_skipped_as_a_small_one_is(
    house: Any, tmp_path: Path, project: Path
) -> None:
    (project / "poster.png").write_bytes(b"\x89PNG\0\0" + bytes(1_000_000))
    (project / "huge.txt").write_text("word " * 300_000)
    async with house(tmp_path / "data", project) as desk:
        report = await desk.value("kb_index", paths=["."])
    assert report.skipped == 2
    assert {item.source for item in report.failed} == {".env", "huge.txt"}


async def test_a_file_that_became_a_secret_leaves_the_index(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        (project / "docs" / "id.txt").write_text("a plain word: marzipan")
        await desk.value("kb_index")
        (project / "docs" / "id.txt").rename(project / "docs" / "id_rsa")
        report = await desk.value("kb_index")
        assert report.removed == 1
        assert all("marzipan" not in hit.text for hit in await desk.search("marzipan", k=50))


async def test_lines_of_a_hit_are_the_files_own(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        hits = await desk.search("invoice password backoff deployment", k=50)
    for hit in hits:
        lines = (project / hit.source).read_text().split("\n")[hit.start_line - 1 : hit.end_line]
        assert hit.text.strip() in "\n".join(lines)


async def test_the_resource_tells_what_a_collection_holds(house: Any, tmp_path: Path, project: Path) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index", collection="docs", paths=["docs"])
        resource, variables = desk.registry.resource("astro://knowledge/docs", desk.session.grant)
        body = await resource.read(desk.session, variables)
    assert body.text is not None
    assert "1 documents, 1 chunks, 0 waiting" in body.text
    assert "- docs/guide.md (document, 1 chunks)" in body.text


async def test_indexing_tells_how_far_it_is_with_files_and_then_with_meaning(
    house: Any, tmp_path: Path, project: Path
) -> None:
    told: list[tuple[float, float | None, str]] = []

    async def hear(done: float, total: float | None, text: str) -> None:
        told.append((done, total, text))

    async with house(tmp_path / "data", project) as desk:
        (await desk.dispatcher.call(Call(desk.session, "kb_index", {}, progress=hear))).unwrap()
    texts = [text for _, _, text in told]
    assert texts[0].startswith("reading ")
    assert any("chunks to embed" in text for text in texts)
    assert all(total is not None and 0 <= done <= total for done, total, _ in told)
    assert all(len(text) < 200 for text in texts)
