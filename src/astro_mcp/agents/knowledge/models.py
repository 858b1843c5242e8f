"""What the knowledge tools take and give."""

from __future__ import annotations

import re
from typing import ClassVar, Final, Literal

from pydantic import Field

from astro_mcp.core.model import Input, Listing, Output, Page, Part, Strings
from astro_mcp.workspace.text import one_line

Kept = Literal["project", "user", "tenant"]
Reach = Literal["all", "project", "user", "tenant"]
NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,39}$"


class SearchInput(Input):
    query: str = Field(description="Question, keywords or identifier.", min_length=1, max_length=2000)
    scope: Reach = Field("all", description="user: for every workspace.")
    kinds: Strings = Field(default=[], description="note, document, code, run.", max_length=4)
    tags: Strings = Field(default=[], description="All of these.", max_length=20)
    k: int = Field(8, ge=1, le=50, description="How many passages.")


class Hit(Part):
    """A passage; lines count from 1. `source` is a path that fs_read takes, a note's id, a URL, or an astro:// URI."""

    id: str
    score: float
    text: str
    source: str
    start_line: int
    end_line: int
    title: str


def document_of(id_: str) -> str:
    """The id of a document, from its own or from a hit's, which names its passage, too."""
    return re.sub(r"\.\d+\Z", "", id_)


class SearchOutput(Listing):
    items: list[Hit]
    notice: str = ""

    def text(self) -> str:
        head = [f"note: {one_line(self.notice)}"] if self.notice else []
        if not self.items:
            head.append("nothing found; kb_index adds files, kb_remember adds notes")
        return "\n".join([*head, *(_hit(hit) for hit in self.items)])


def _hit(hit: Hit) -> str:
    place = f"{one_line(hit.source)}:{hit.start_line}-{hit.end_line}"
    return f"## {place}  {one_line(hit.title)}  ({hit.score:.2f}, {hit.id})\n{hit.text}\n"


class RememberInput(Input):
    title: str = Field(description="What it is about.", pattern=r"\S", max_length=200)
    tags: Strings = Field(default=[], description="Words to filter by.", max_length=20)
    scope: Kept = Field("project", description="user: for every workspace.")
    id: str = Field("", description="Note to change.")
    text: str = Field(description="The note, in Markdown.", pattern=r"\S", max_length=100_000)


class Similar(Part):
    """A note that says much the same; `similarity` is a cosine."""

    id: str
    title: str
    similarity: float


class RememberOutput(Output):
    """`version` counts what the note was changed to, from 1 on."""

    id: str
    version: int
    similar_existing: list[Similar]

    def text(self) -> str:
        lines = [f"remembered as {self.id}"]
        if self.version > 1:
            lines[0] += f", version {self.version}; earlier ones: astro_read astro://knowledge/notes/{self.id}"
        lines += [f"similar: {note.id} {note.title!r} ({note.similarity:.2f})" for note in self.similar_existing]
        return "\n".join(lines)


class IndexInput(Input):
    collection: str = Field("workspace", description="Where to.", pattern=NAME)
    paths: Strings = Field(default=[], description="None: the whole workspace.", max_length=1000)
    urls: Strings = Field(default=[], description="Web pages, instead of it.", max_length=100)
    scope: Kept = Field("project", description="Others: for urls alone.")


class Failure(Part):
    """A file or a page that could not be read, and why."""

    source: str
    reason: str


class IndexOutput(Page):
    """`skipped` counts files that are empty or no UTF-8 text; `removed` what was indexed and is there no more."""

    paged: ClassVar[str | None] = "failed"
    collection: str
    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: int
    failed: list[Failure]
    pending_embeddings: int
    notice: str = ""

    def text(self) -> str:
        counts = (
            f"{self.collection}: {self.added} added, {self.updated} updated, {self.unchanged} unchanged, "
            f"{self.removed} removed, {self.skipped} skipped (empty or no UTF-8 text), {len(self.failed)} failed"
        )
        lines = [counts, *(one_line(f"failed: {item.source}: {item.reason}") for item in self.failed)]
        if self.pending_embeddings:
            lines.append(f"{self.pending_embeddings} chunks wait for their embedding; words find them already")
        return "\n".join([*lines, *([one_line(self.notice)] if self.notice else [])])


class ListInput(Input):
    scope: Reach = Field("all", description="user: for every workspace.")
    kinds: Strings = Field(default=[], description="note, document, code, run.", max_length=4)
    tags: Strings = Field(default=[], description="All of these.", max_length=20)


class Item(Part):
    """A document; `updated` is in UTC."""

    id: str
    title: str
    source: str
    kind: str
    collection: str
    updated: str


class Collection(Part):
    """What a collection holds; `pending` chunks wait for their embedding."""

    name: str
    scope: Kept
    documents: int
    chunks: int
    pending: int


class ListOutput(Listing):
    items: list[Item]
    collections: list[Collection]

    def text(self) -> str:
        lines = [
            f"{one.name} ({one.scope}): {one.documents} documents, {one.chunks} chunks, {one.pending} pending"
            for one in self.collections
        ]
        lines += [one_line(f"{one.id}  {one.kind}  {one.updated}  {one.source}  {one.title}") for one in self.items]
        return "\n".join(lines) or "nothing is known yet; kb_remember keeps notes, kb_index reads files"


class ForgetInput(Input):
    scope: Reach = Field("all", description="user: for every workspace.")
    ids: Strings = Field(default=[], description="kb_list's.", max_length=1000)
    sources: Strings = Field(default=[], description="Paths, folders, URLs.", max_length=1000)
    undo: str = Field("", description="An undo_id.")


class ForgetOutput(Output):
    """`left_out` counts what was not brought back, since there is a newer one of that source."""

    removed: int = 0
    undo_id: str = ""
    restored: int = 0
    left_out: int = 0

    def text(self) -> str:
        if self.restored or self.left_out:
            newer = f"; {self.left_out} left out, since there are newer ones" if self.left_out else ""
            return f"{self.restored} brought back{newer}"
        undo = f"; kb_forget(undo={self.undo_id!r}) brings them back" if self.undo_id else ""
        return f"{self.removed} forgotten{undo}" if self.removed else "nothing was there to change"
