"""Workspace files as drafts: what may be read, is text, and has changed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from stat import S_ISDIR
from typing import Final

import anyio
import anyio.to_thread
from anyio import from_thread

from astro_mcp.agents.knowledge.chunks import DRAWINGS, Chunk, document_chunks, ending, kind_of, version_of
from astro_mcp.agents.knowledge.markup import drawn
from astro_mcp.agents.knowledge.models import Failure
from astro_mcp.agents.knowledge.outline.grammars import grammar_of, identity
from astro_mcp.agents.knowledge.outline.parser import Parser
from astro_mcp.agents.knowledge.reach import recorded
from astro_mcp.agents.knowledge.record import Draft, and_above
from astro_mcp.agents.knowledge.words import UNBROKEN_VERSION, unbroken
from astro_mcp.core.authority import Label, Session
from astro_mcp.documents.pdf import pdf_text
from astro_mcp.errors import AstroError, NotFound, TooLarge, Unavailable
from astro_mcp.workspace.content import read_head, status_of
from astro_mcp.workspace.guards import GIT, is_secret
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

FILE_BYTES: Final = 1_000_000
HEAD_BYTES: Final = 8_000
"""Of a file that is too large, in which one without text has a zero."""
MOST_FILES: Final = 20_000
MOST_BYTES: Final = 200_000_000
PDF_BYTES: Final = 20_000_000
LABELS: Final = (Label.PRIVATE.value, Label.UNTRUSTED.value)


@dataclass(slots=True)
class Listing:
    """What lies at the paths. `covered` are the sources that they speak for: what is known of those and not in
    `places` any more is gone."""

    places: list[Place] = field(default_factory=list)
    covered: list[Place] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    large: list[Place] = field(default_factory=list)
    bytes: int = 0
    skipped: int = 0

    def gone(self, known: Iterable[str], seen: Set[str]) -> list[str]:
        """Those of `known` that the paths speak for and that were not `seen`."""
        covered = {place.display for place in self.covered}
        return [source for source in known if source not in seen and not covered.isdisjoint(_ways_to_name(source))]


@dataclass(frozen=True, slots=True)
class Pdf:
    """A PDF that is new or changed."""

    source: str
    sha256: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Code:
    """A file of code that is new or changed, and the number of its grammar."""

    source: str
    data: bytes
    text: str
    grammar: int


@dataclass(slots=True)
class Batch:
    """Some files, read: new or changed ones as drafts."""

    drafts: list[Draft] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    pdfs: list[Pdf] = field(default_factory=list)
    code: list[Code] = field(default_factory=list)
    unchanged: int = 0
    skipped: int = 0
    failed: list[Failure] = field(default_factory=list)


class Sources:
    """Reads through the workspace's guards, and chunks in a thread of its own."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._chunking = anyio.CapacityLimiter(1)

    async def listing(self, session: Session, paths: Sequence[str], known: Iterable[str]) -> Listing:
        """The files at `paths`, or of every root. A path that is gone and was indexed counts as empty; `NotFound` for
        any other."""
        found = Listing()
        indexed = {name for source in known for name in _ways_to_name(source)}
        for path in paths or _outermost(session) or ["."]:
            place = recorded(session, self._workspace.locate(session, path))
            found.covered.append(place)
            try:
                await self._add(place, found)
            except NotFound:
                if place.display not in indexed:
                    raise
        await self._workspace.at_length(lambda: self._tell_large(found))
        found.places = list({place.display: place for place in found.places}.values())
        if len(found.places) > MOST_FILES:
            raise TooLarge(f"there are {len(found.places):,} files; {MOST_FILES:,} are allowed", "name fewer paths")
        if found.bytes > MOST_BYTES:
            raise TooLarge(f"the files hold {found.bytes:,} bytes; {MOST_BYTES:,} are allowed", "name fewer paths")
        return found

    @asynccontextmanager
    async def parser(self) -> AsyncIterator[Parser]:
        """For the files of one call; its child ends with it."""
        made = Parser(from_thread.check_cancelled)
        try:
            yield made
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(made.close)

    async def read(self, places: Sequence[Place], known: Mapping[str, str], parser: Parser) -> Batch:
        """Files as drafts; those with the digest in `known` are only counted."""
        batch = await anyio.to_thread.run_sync(lambda: self._read(places, known, parser), limiter=self._chunking)
        for pdf in batch.pdfs:
            try:
                text, _ = await pdf_text(pdf.data, pdf.source)
            except AstroError as error:
                batch.failed.append(Failure(source=pdf.source, reason=error.message))
                continue
            chunks = await anyio.to_thread.run_sync(document_chunks, text, pdf.source, limiter=self._chunking)
            batch.drafts.append(_draft(pdf.source, pdf.sha256, chunks))
        return batch

    async def _add(self, place: Place, found: Listing) -> None:
        if any(fold(part) in GIT for part in place.parts):
            found.failed.append(Failure(source=place.display, reason="git's own folder"))
            return
        if place.relative and not await self._workspace.quickly(lambda: S_ISDIR(status_of(place).st_mode)):
            found.places.append(place)
            return
        for entry in await self._workspace.walk(place):
            if entry.type != "file":
                continue  # what a link leads to is listed where it lies
            below = place.at(entry.path)
            if entry.bytes > _most(entry.path):
                found.large.append(below)
                continue
            found.places.append(below)
            found.bytes += entry.bytes

    def _tell_large(self, found: Listing) -> None:
        """Files over the limit have failed, but for those that would not be read at any length."""
        for place in found.large:
            from_thread.check_cancelled()
            try:
                self._workspace.guard_read(place)
                binary = b"\0" in read_head(place, HEAD_BYTES)
            except AstroError:
                binary = False
            if binary and not place.display.lower().endswith(".pdf"):
                found.skipped += 1
            else:
                reason = f"larger than {_most(place.display):,} bytes"
                found.failed.append(Failure(source=place.display, reason=reason))

    def _read(self, places: Sequence[Place], known: Mapping[str, str], parser: Parser) -> Batch:
        batch = Batch()
        for place in places:
            from_thread.check_cancelled()
            try:
                data = self._workspace.read_now(place, _most(place.display))
            except AstroError as error:
                batch.failed.append(Failure(source=place.display, reason=error.message))
                if isinstance(error, Unavailable):  # it is there: what is known of it stays
                    batch.seen.append(place.display)
                continue
            _take(batch, place.display, data, known)
        outlines = parser.outlines([(code.grammar, code.text) for code in batch.code])
        for code, outline in zip(batch.code, outlines, strict=True):
            from_thread.check_cancelled()
            sha256 = _digest(code.source, code.data, code.grammar if outline.settled else None)
            batch.drafts.append(_draft(code.source, sha256, document_chunks(code.text, code.source, outline.marks)))
        return batch


def _outermost(session: Session) -> list[str]:
    """The roots that are within no other."""
    roots = session.grant.roots
    return [str(one) for one in roots if not any(other != one and one.is_relative_to(other) for other in roots)]


def _take(batch: Batch, source: str, data: bytes, known: Mapping[str, str]) -> None:
    grammar = grammar_of(ending(source))
    sha256 = _digest(source, data, grammar)
    pdf = data.startswith(b"%PDF-")
    text = None if pdf else _text(data)
    if text is not None and ending(source) in DRAWINGS and not drawn(text).strip():
        text = None
    if text is None and not pdf:
        batch.skipped += 1
        return
    batch.seen.append(source)
    if known.get(source) == sha256:
        batch.unchanged += 1
        return
    if text is None:
        batch.pdfs.append(Pdf(source, sha256, data))
    elif grammar is not None:
        batch.code.append(Code(source, data, text, grammar))
    else:
        batch.drafts.append(_draft(source, sha256, document_chunks(text, source)))


def _digest(source: str, data: bytes, grammar: int | None) -> str:
    """Of a file and of how it is cut: what was cut by lines alone is made anew when its grammar is there."""
    version = version_of(source)
    cut = version if grammar is None else f"{version} {identity(grammar)}"
    if unbroken(data):
        cut += f" {UNBROKEN_VERSION}"
    return hashlib.sha256(f"{cut}\0".encode() + data).hexdigest()


def _draft(source: str, sha256: str, chunks: Sequence[Chunk]) -> Draft:
    return Draft(source, kind_of(source), source.rpartition("/")[2], sha256, tuple(chunks), labels=_labels(source))


def _most(name: str) -> int:
    return PDF_BYTES if name.lower().endswith(".pdf") else FILE_BYTES


def _labels(source: str) -> tuple[str, ...]:
    """Of a secret that the operator let be read, too."""
    return (*LABELS, Label.SECRET.value) if is_secret(source) else LABELS


def _text(data: bytes) -> str | None:
    """The text of a file; None where it is not UTF-8, binary, or empty."""
    if b"\0" in data:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text if text.strip() else None


def _ways_to_name(source: str) -> Iterator[str]:
    """What `Place.display` gives of a document's file and of all that it lies in; of a page that is itself alone."""
    if "://" in source:  # which no path has, and every page does
        yield source
        return
    if not source.startswith("/"):
        yield "."
    yield from and_above(source)
