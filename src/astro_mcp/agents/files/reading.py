"""What a file holds, as a model can take it: text, an image to show, a PDF's text, or a word on what it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.files.models import FileFacts
from astro_mcp.core.authority import Session
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import count_lines, decode
from astro_mcp.workspace.workspace import Workspace

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of one file that is read."""
AT_ONCE: Final = 128 * 1024
"""Bytes of a file that may be read on the event loop: digest and decoding take a quarter of a millisecond."""

_IMAGES: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True, slots=True)
class Lines:
    """Which lines of a text are wanted: the first, from 1, and how many at most."""

    start: int = 1
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """One file. `kind` is text, image, pdf or binary; `data` is kept for images and PDFs only."""

    place: Place
    kind: str
    size: int
    sha256: str
    text: str = ""
    encoding: str | None = None
    eol: str | None = None
    total_lines: int | None = None
    note: str | None = None
    mime: str = "application/octet-stream"
    data: bytes = b""

    def facts(self) -> FileFacts:
        return FileFacts(
            path=self.place.display,
            kind=self.kind,
            bytes=self.size,
            encoding=self.encoding,
            eol=self.eol,
            total_lines=self.total_lines,
            sha256=self.sha256,
        )


def read(workspace: Workspace, session: Session, path: str, lines: Lines) -> Content:
    """Find, read and decode; blocks, for worker threads. Raises what `Workspace.locate` and `read` raise."""
    place = workspace.locate(session, path)
    return _content(place, workspace.read_now(place, LARGEST), lines)


def read_at_once(workspace: Workspace, session: Session, path: str, lines: Lines) -> Content | None:
    """The same on the event loop, for a small file that the kernel holds in memory; None for others. Raises
    `ProtectedPath`."""
    found = workspace.read_at_once(session, path, AT_ONCE)
    return None if found is None else _content(*found, lines)


def _content(place: Place, data: bytes, lines: Lines) -> Content:
    sha256 = hashlib.sha256(data).hexdigest()
    if mime := image_type(data):
        return Content(place, "image", len(data), sha256, note=mime, mime=mime, data=data)
    if data.startswith(b"%PDF-"):
        return Content(place, "pdf", len(data), sha256, mime="application/pdf", data=data)
    found = decode(data)
    if found is None:
        return Content(place, "binary", len(data), sha256, note="binary, not shown")
    shown = found.shown
    text, note = cut(shown, lines)
    return Content(
        place,
        "text",
        len(data),
        sha256,
        text=text,
        encoding=found.encoding,
        eol=found.eol,
        total_lines=count_lines(shown),
        note=note,
        mime="text/plain",
    )


def cut(shown: str, lines: Lines) -> tuple[str, str | None]:
    """The wanted lines, and a note that says which they are where they are not all."""
    if lines.start == 1 and lines.most is None:
        return shown, None
    rows = shown.split("\n")
    total = count_lines(shown)
    end = total if lines.most is None else min(total, lines.start - 1 + lines.most)
    if lines.start == 1 and end == total:
        return shown, None
    if lines.start > total:
        return "", f"no line {lines.start}"
    text = "\n".join(rows[lines.start - 1 : end])
    return text + ("\n" if end < len(rows) else ""), f"lines {lines.start}-{end}"


def image_type(data: bytes) -> str | None:
    """The mime type of the images that hosts show, by their first bytes."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _IMAGES if data.startswith(magic)), None)
