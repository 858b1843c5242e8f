"""Pictures of documents that a host only checked: their addresses, whose they are, and what they never hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents
from tests.workflow.house import session
from tests.workflow.test_pictures import HOSTILE, LINE, WHOLE, texts

from astro_mcp.core.authority import Label
from astro_mcp.core.call import Call
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.artifacts import Artifacts

from .hosts import Hosts, hosts
from .test_tools import ERAS, said

ONE = json.dumps({"name": "one", "steps": [{"id": "look", "tool": "toy_say"}]})


async def checked(client: Client, spec: str) -> Any:
    return (await client.call_tool("workflow_check", {"spec": spec})).structured_content


async def read(client: Client, uri: str) -> TextResourceContents:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content


@ERAS
async def test_a_checked_document_has_both_pictures_before_it_ever_runs(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:
        async with house.client(mode) as client:
            result = await client.call_tool("workflow_check", {"spec": json.dumps(WHOLE)})
            assert result.structured_content
            picture = result.structured_content["picture"]
            assert f"picture: {picture}" in said(result)
            drawn = await read(client, picture)
            assert drawn.mime_type == "image/svg+xml"
            assert texts(drawn.text)[:2] == ["everything", "12 steps"]
            flow = await read(client, picture.removesuffix("picture") + "mermaid")
            assert flow.mime_type == "text/vnd.mermaid"
            assert all(LINE.fullmatch(line) for line in flow.text.splitlines())
            assert (await checked(client, json.dumps(WHOLE)))["picture"] == picture
            assert (await checked(client, '{"steps": [{"id": "a", "tool": "toy_sya"}]}'))["picture"] == ""
        assert await house.house.rows("SELECT count(*) FROM workflow_run") == [(0,)]


async def test_a_picture_shows_the_templates_that_the_document_was_checked_with(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, house.client("auto") as client:
        spec = json.dumps({"steps": [{"id": "all", "workflow": "small"}]})
        house.house.scheduler.templates._folder = tmp_path
        template = tmp_path / "small.yaml"
        template.write_text('{"version": "1", "steps": [{"id": "one", "tool": "toy_say"}]}')
        picture = (await checked(client, spec))["picture"]
        template.unlink()
        house.house.scheduler.templates._found = {}
        assert "toy_say" in texts((await read(client, picture)).text)


async def test_nobody_else_reads_a_checked_document(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, house.client("auto") as client:
        picture = (await checked(client, ONE))["picture"]
        missing = picture.replace(picture[14:18], "0000")
        assert missing != picture
        async with house.client("auto", session(tmp_path, "somebody else")) as other:
            told = []
            for uri in (picture, picture.replace("picture", "mermaid"), missing, "astro://plans/..%2f/picture"):
                with pytest.raises(MCPError) as error:
                    await other.read_resource(uri)
                told.append((error.value.code, error.value.message))
            assert told[:3] == told[:1] * 3
        assert (await read(client, picture)).text


async def test_an_artifact_that_is_no_document_is_no_plan_and_nothing_of_it_is_told(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, house.client("auto") as client:
        scope = house.house.me.scope
        artifacts = Artifacts(house.house.database, tmp_path / "artifacts", SystemClock())
        for data in (b"hush: 1\nhush: 2", b"\xff\xfe", b'{"steps": []}', b"x" * 200_000):
            sha256 = await artifacts.put(scope, data, "text/plain")
            with pytest.raises(MCPError, match="no such plan") as error:
                await client.read_resource(f"astro://plans/{sha256}/picture")
            assert "hush" not in str(error.value)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_of_a_checked_document_stays_inert(tmp_path: Path, text: str) -> None:
    steps = [{"id": "one", "ask": text}, {"id": "two", "needs": ["one"], "approve": {"message": text}}]
    async with hosts(tmp_path) as house, house.client("auto") as client:
        found = await checked(client, json.dumps({"name": "h", "steps": steps}))
        if not found["valid"]:  # characters that no document may hold
            assert "\x00" in text
            return
        assert any(line.startswith("ask: ") for line in texts((await read(client, found["picture"])).text))
        flow = await read(client, found["picture"].replace("picture", "mermaid"))
        assert all(LINE.fullmatch(line) for line in flow.text.splitlines())


async def labelled(house: Hosts, uri: str) -> frozenset[Label]:
    """What a new session of the same scope has seen once it has read the address."""
    who = session(house.house.me.grant.roots[0])
    return (await house.house.dispatcher.call(Call(who, "astro_read", {"uri": uri}))).labels


async def test_a_picture_is_labelled_with_what_its_author_had_seen(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house:
        clean = (await house.house.call("workflow_check", spec=ONE))["picture"]
        assert await labelled(house, clean) == frozenset()
        house.house.me.ledger.join(frozenset({Label.UNTRUSTED}))
        for spec in (ONE, ONE.replace("one", "two")):
            picture = (await house.house.call("workflow_check", spec=spec))["picture"]
            assert await labelled(house, picture) == {Label.UNTRUSTED}
