"""What is told of knowledge has the labels of what was kept, whichever tool tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astro_mcp.agents.artifacts.agent import ArtifactsAgent
from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Label
from astro_mcp.core.deferred import Ready


async def test_a_secret_is_one_by_every_door(house: Any, tmp_path: Path, project: Path) -> None:
    held = frozenset({Label.SECRET, Label.UNTRUSTED})
    async with house(tmp_path / "data", project, secrets=SecretSettings(readable=(".env",))) as desk:
        nothing: Any = None
        await desk.registry.register(ArtifactsAgent(desk.registry, nothing, Ready(nothing), tmp_path))
        try:
            await desk.value("kb_index")
            note = (await desk.call("kb_remember", held, title="Vault", text="It is sesame-4711.")).unwrap()
            token = next(hit for hit in await desk.search("API_TOKEN") if hit.source == ".env")
            for uri in (
                f"astro://knowledge/notes/{note.id}",
                f"astro://knowledge/workspace/{token.id.partition('.')[0]}",
                "astro://knowledge/notes",
                "astro://knowledge/workspace",
            ):
                assert Label.SECRET in (await desk.call("astro_read", uri=uri)).labels, uri
            (project / ".env").unlink()
            await desk.value("kb_index")
            plain = await desk.call("astro_read", uri="astro://knowledge/workspace")
        finally:
            await desk.registry.unregister("artifacts")
    assert plain.labels == {Label.PRIVATE, Label.UNTRUSTED}


async def test_a_note_that_is_like_a_secret_one_tells_its_title_as_a_secret(
    house: Any, tmp_path: Path, project: Path
) -> None:
    async with house(tmp_path / "data", project) as desk:
        await desk.call("kb_remember", frozenset({Label.SECRET}), title="The vault's combination", text="It is 4711.")
        unlike = await desk.call("kb_remember", title="Moles", text="They dig in the garden.")
        other = await desk.call("kb_remember", title="The vault's combination again", text="It is 4711.")
    assert Label.SECRET not in unlike.labels
    assert [one.title for one in other.unwrap().similar_existing] == ["The vault's combination"]
    assert Label.SECRET in other.labels
