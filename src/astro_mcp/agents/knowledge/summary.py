"""`astro://knowledge/{collection}`: what a collection holds; and which collections and tags there are."""

from __future__ import annotations

from astro_mcp.agents.knowledge.notes import COLLECTION
from astro_mcp.agents.knowledge.record import Record
from astro_mcp.core.authority import Scope, Session
from astro_mcp.core.resource import Body
from astro_mcp.errors import NotFound
from astro_mcp.observe.printable import printable
from astro_mcp.store.connection import Row


class Summary:
    """Reads for a session: its workspace's collections and the user's own notes."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def read(self, session: Session, variables: dict[str, str]) -> Body:
        """Counts and sources as Markdown; raises `NotFound` for what is missing and for what is another scope's."""
        name = variables["collection"]
        parts = []
        for reach, scope in _scopes(session):
            row = next((row for row in await self._record.collections(scope) if row["collection"] == name), None)
            if row is not None:
                parts.append(_markdown(reach, row, await self._record.sources(scope, name)))
        if not parts:
            raise NotFound("there is no such collection", "kb_index makes one")
        return Body("text/markdown", "\n".join(parts))

    async def complete(self, session: Session, prefix: str) -> list[str]:
        """The session's collections that start with `prefix`."""
        names = {row["collection"] for _, scope in _scopes(session) for row in await self._record.collections(scope)}
        return sorted(name for name in names if name.startswith(prefix))[:100]

    async def complete_tag(self, session: Session, prefix: str) -> list[str]:
        """The tags that notes of the session have and that start as the last of `prefix` (`decision, re`) does."""
        before, comma, last = prefix.rpartition(",")
        start = last.strip().lower()
        named = {tag.strip().lower() for tag in before.split(",")}
        tags = {tag for _, scope in _scopes(session) for tag in await self._record.tags(scope)}
        fitting = sorted(tag for tag in tags - named if tag.startswith(start) and printable(tag) == tag)
        return [f"{before}{comma} {tag}".strip() for tag in fitting[:100]]


def _scopes(session: Session) -> list[tuple[str, Scope]]:
    user = Scope.of(session.principal, ())
    return [("user", user)] if session.scope == user else [("project", session.scope), ("user", user)]


def _markdown(reach: str, row: Row, sources: list[Row]) -> str:
    lines = [
        f"# {row['collection']} ({reach})",
        f"{row['documents']} documents, {row['chunks']} chunks, {row['pending']} waiting for their embedding",
        "",
    ]
    for source in sources:
        name = source["title"] if row["collection"] == COLLECTION else source["source"]
        lines.append(f"- {name} ({source['kind']}, {source['chunks']} chunks)")
    if row["documents"] > len(sources):
        lines.append(f"- and {row['documents'] - len(sources)} more")
    return "\n".join(lines) + "\n"
