"""Notes: what a host wants kept, in the record at once and told apart from what is there."""

from __future__ import annotations

import hashlib
from typing import Final

from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.chunks import VERSION, note_chunks
from astro_mcp.agents.knowledge.models import RememberInput, Similar
from astro_mcp.agents.knowledge.record import Draft
from astro_mcp.agents.knowledge.search import Found, Search
from astro_mcp.core.authority import Label, Scope

COLLECTION: Final = "notes"
ALIKE: Final = 0.6
"""The cosine from which on notes say much the same (measured: paraphrases .66 to .79, neighbours up to .40)."""
MOST: Final = 5


def draft(note: RememberInput, labels: frozenset[Label]) -> Draft:
    """The note as a document, known by its title: the same again, or other words under it, is the same document."""
    tags = normal_tags(note.tags)
    body = "\0".join([VERSION, note.title, *tags, "", note.text])
    sha256 = hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()
    chunks = tuple(note_chunks(note.text, note.title))
    kept = tuple(sorted(label.value for label in labels | {Label.PRIVATE}))
    return Draft(name(note.title), "note", note.title, sha256, chunks, tags, kept)


def name(title: str) -> str:
    """What a note is known by: its title, whatever its capitals and spaces are."""
    return " ".join(title.casefold().split())


def normal_tags(tags: list[str]) -> tuple[str, ...]:
    """Lower case, trimmed, each once, in order."""
    return tuple(sorted({tag.strip().lower()[:60] for tag in tags if tag.strip()}))


async def alike(search: Search, scope: Scope, note: RememberInput, own: str, *, secret: bool) -> list[Found]:
    """Other notes of the scope that are near in meaning, or have the same title; nearest first."""
    only = Filter(kinds=("note",))
    answer = await search.find([scope], f"{note.title}\n{note.text}"[:2000], only, 50, secret=secret)
    found: dict[str, Found] = {}
    for item in sorted(answer.found, key=lambda item: -(item.cosine or 0)):
        if item.row["document"] != own and _alike(item, note.title):
            found.setdefault(item.row["document"], item)
    return list(found.values())[:MOST]


def similar(found: Found) -> Similar:
    """As `kb_remember` tells it."""
    row = found.row
    return Similar(id=row["document"], title=row["document_title"], similarity=round(found.cosine or 0, 3))


def _alike(item: Found, title: str) -> bool:
    same = str(item.row["document_title"]).casefold() == title.casefold()
    return same or (item.cosine is not None and item.cosine >= ALIKE)
