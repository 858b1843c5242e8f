"""astro_read, artifact_save, and what the server publishes of itself."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from tests.agents.files.house import House, session_of

from astro_mcp.core.authority import Label
from astro_mcp.errors import ApprovalRequired, Conflict, InvalidInput, NotFound

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def put(house: House, data: bytes, mime: str = "text/plain") -> str:
    return f"astro://artifacts/{await house.artifacts.put(house.session.scope, data, mime)}"


async def test_an_artifact_reads_as_its_content(house: House) -> None:
    result = await house.result("astro_read", uri=await put(house, b"one\ntwo\n"))
    read = result.unwrap()
    assert read.text() == "one\ntwo\n"
    assert read.model_dump()["text"] == "one\ntwo\n"
    assert result.labels == {Label.PRIVATE, Label.UNTRUSTED}


@pytest.mark.parametrize(
    "mime", ["application/x-ndjson", "application/octet-stream", "application/x-sh", "image/svg+xml"]
)
async def test_what_is_text_is_read_whatever_its_type_is(house: House, mime: str) -> None:
    uri = await put(house, '{}\n{"größe": 1}\n'.encode(), mime)
    assert (await house.ok("astro_read", uri=uri)).text() == '{}\n{"größe": 1}\n'
    assert (await house.ok("astro_read", uri=uri, find="größe")).hits == 1


@pytest.mark.parametrize(("data", "mime"), [(b"%PDF-1.7\n", "application/pdf"), (b"\xff\xfe", "text/plain")])
async def test_what_is_no_text_to_read_is_told_by_its_size(house: House, data: bytes, mime: str) -> None:
    read = await house.ok("astro_read", uri=await put(house, data, mime))
    assert read.text() == f"{mime}, {len(data)} bytes"


async def test_find_gives_the_lines_around_each_hit(house: House) -> None:
    text = "\n".join(f"line {n}" for n in range(1, 101))
    read = await house.ok("astro_read", uri=await put(house, text.encode()), find="LINE 50")
    assert read.content == "48: line 48\n49: line 49\n50: line 50\n51: line 51\n52: line 52"
    assert (read.hits, read.total) == (1, len(text))


async def test_an_image_is_attached_and_other_bytes_are_told(house: House) -> None:
    image = await house.result("astro_read", uri=await put(house, PNG, "image/png"))
    assert [blob.data for blob in image.blobs] == [PNG]
    other = await house.ok("astro_read", uri=await put(house, b"\0\1", "application/zip"))
    assert other.text() == "application/zip, 2 bytes"


async def test_another_scopes_artifact_is_as_good_as_missing(house: House, tmp_path: Path) -> None:
    uri = await put(house, b"mine")
    stranger = session_of((tmp_path / "data").resolve())
    for tool, more in (("astro_read", {}), ("artifact_save", {"path": "x.txt"})):
        foreign = await house.refused(tool, session=stranger, uri=uri, **more)
        missing = await house.refused(tool, session=stranger, uri="astro://artifacts/" + "0" * 64, **more)
        assert isinstance(foreign, NotFound)
        assert foreign.as_dict() == missing.as_dict()


async def test_an_artifact_is_saved_guarded_and_undoable(house: House, root: Path) -> None:
    uri = await put(house, PNG, "image/png")
    saved = await house.ok("artifact_save", uri=uri, path="out/a.png")
    assert (root / "out/a.png").read_bytes() == PNG
    assert saved.sha256 == hashlib.sha256(PNG).hexdigest()
    assert isinstance(await house.refused("artifact_save", uri=uri, path=".envrc"), ApprovalRequired)
    other = await put(house, b"x")
    assert isinstance(await house.refused("artifact_save", uri=other, path="out/a.png", if_match="0" * 64), Conflict)
    assert isinstance(await house.refused("artifact_save", uri="astro://health", path="h.json"), InvalidInput)
    await house.ok("fs_undo", undo_id=saved.undo_id)
    assert list(root.iterdir()) == []


async def test_every_tool_has_its_documentation(house: House) -> None:
    for name in house.dispatcher.registry.tools:
        result = await house.result("astro_read", uri=f"astro://tools/{name}")
        text = result.unwrap().text()
        assert text.startswith(f"# {name}: ")
        assert "Example:" in text
        assert '"properties"' in text
        assert result.labels == frozenset()


async def test_agents_and_health_are_told(house: House) -> None:
    agents = json.loads((await house.ok("astro_read", uri="astro://agents")).content)
    assert [agent["name"] for agent in agents["agents"]] == ["files", "artifacts"]
    files = json.loads((await house.ok("astro_read", uri="astro://agents/files")).content)
    assert files["health"]["ok"]
    assert "astro://files/{+path}" in files["resources"]
    assert json.loads((await house.ok("astro_read", uri="astro://health")).content)["ok"]


async def test_a_wrong_uri_is_not_found_with_the_nearest_name(house: House) -> None:
    assert isinstance(await house.refused("astro_read", uri="astro://nothing/here"), NotFound)
    error = await house.refused("astro_read", uri="astro://tools/fs_raed")
    assert "fs_read" in error.hint


async def test_files_are_read_by_uri_too_and_through_the_guards(house: House, root: Path) -> None:
    (root / "a b.txt").write_text("hello\n")
    assert (await house.ok("astro_read", uri="astro://files/a%20b.txt")).content == "hello\n"
    for path in ("../x", ".env", "%2e%2e/x"):
        (root / ".env").write_text("TOKEN\n")
        error = await house.refused("astro_read", uri=f"astro://files/{path}")
        assert error.code in ("path_denied", "protected_path")
