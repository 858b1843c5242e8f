"""`astro://knowledge/{collection}`: what a collection holds, and a document of it whole; and which collections and tags
there are."""

from __future__ import annotations

import json
from collections.abc import Sequence

from astro_mcp.agents.knowledge.listing import moment
from astro_mcp.agents.knowledge.models import document_of
from astro_mcp.agents.knowledge.notes import COLLECTION
from astro_mcp.agents.knowledge.reach import labels_of, readable, told
from astro_mcp.agents.knowledge.record import Record
from astro_mcp.core.authority import Label, Session
from astro_mcp.core.resource import Body
from astro_mcp.errors import NotFound
from astro_mcp.observe.printable import printable
from astro_mcp.store.connection import Row
from astro_mcp.workspace.text import one_line


class Summary:
    """Reads for a session: its workspace's collections, the user's own and the tenant's."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def read(self, session: Session, variables: dict[str, str]) -> Body:
        """Counts and sources as Markdown; raises `NotFound` for what is missing and for what is another scope's."""
        name = variables["collection"]
        parts, labels = [], frozenset[Label]()
        for scope, reach in readable(session).items():
            row = next((row for row in await self._record.collections(scope) if row["collection"] == name), None)
            if row is not None:
                sources = await self._record.sources(scope, name)
                parts.append(_markdown(session, reach, row, sources))
                labels |= labels_of(*sources)
        if not parts:
            raise NotFound("there is no such collection", "kb_index makes one")
        return Body("text/markdown", "\n".join(parts), labels=labels)

    async def read_document(self, session: Session, variables: dict[str, str]) -> Body:
        """A note with its versions, or a document's passages; raises `NotFound` as `read` does."""
        for scope in readable(session):
            found = await self._record.document(scope, variables["collection"], document_of(variables["id"]))
            if found is not None:
                return Body("text/markdown", _whole(session, *found), labels=labels_of(found[0], *found[2]))
        raise NotFound("there is no such document", "kb_list tells the ids")

    async def complete(self, session: Session, prefix: str) -> list[str]:
        """The session's collections that start with `prefix`."""
        names = {row["collection"] for scope in readable(session) for row in await self._record.collections(scope)}
        return sorted(name for name in names if name.startswith(prefix))[:100]

    async def complete_tag(self, session: Session, prefix: str) -> list[str]:
        """The tags that notes of the session have and that start as the last of `prefix` (`decision, re`) does."""
        before, comma, last = prefix.rpartition(",")
        start = last.strip().lower()
        named = {tag.strip().lower() for tag in before.split(",")}
        tags = {tag for scope in readable(session) for tag in await self._record.tags(scope)}
        fitting = sorted(tag for tag in tags - named if tag.startswith(start) and printable(tag) == tag)
        return [f"{before}{comma} {tag}".strip() for tag in fitting[:100]]


def _markdown(session: Session, reach: str, row: Row, sources: list[Row]) -> str:
    lines = [
        f"# {row['collection']} ({reach})",
        f"{row['documents']} documents, {row['chunks']} chunks, {row['pending']} waiting for their embedding",
        "",
    ]
    for source in sources:
        name = source["title"] if row["collection"] == COLLECTION else told(session, source)
        lines.append(f"- {one_line(name)} ({source['kind']}, {source['chunks']} chunks)")
    if row["documents"] > len(sources):
        lines.append(f"- and {row['documents'] - len(sources)} more")
    return "\n".join(lines) + "\n"


def _whole(session: Session, row: Row, chunks: Sequence[Row], versions: Sequence[Row]) -> str:
    lines = [f"# {one_line(row['title'])}", f"{row['kind']} {row['id']}, updated {moment(row['updated'])}"]
    if tags := json.loads(row["tags"]):
        lines.append(one_line(f"tags: {', '.join(tags)}"))
    if row["kind"] != "note":
        lines.append(f"source: {one_line(told(session, row))}")
    for version in versions:
        head = f"## version {version['version']}, {moment(version['at'])}: {one_line(version['title'])}"
        lines += ["", head, version["text"]]
    for chunk in () if versions else chunks:
        head = f"## lines {chunk['start_line']} to {chunk['end_line']}: {one_line(chunk['title'])}"
        lines += ["", head, chunk["text"]]
    return "\n".join(lines) + "\n"
