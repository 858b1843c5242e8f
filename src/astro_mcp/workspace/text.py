"""Bytes as text and back: encoding, byte order mark and line ends are found out, told, and kept."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final, Literal

from astro_mcp.errors import InvalidInput
from astro_mcp.observe.printable import printable

Eol = Literal["lf", "crlf", "cr", "mixed", "none"]

_MARKS: Final = (
    ("utf-8-sig", codecs.BOM_UTF8, "utf-8"),
    ("utf-32-le", codecs.BOM_UTF32_LE, "utf-32-le"),
    ("utf-32-be", codecs.BOM_UTF32_BE, "utf-32-be"),
    ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le"),
    ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16-be"),
)
CODE_PAGES: Final = ("cp1252", "latin-1")
"""Of a text without a mark that is no UTF-8: the first that has all of its bytes."""
_PROBE: Final = 8192
_CONTROL: Final = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """`raw` is the text without its byte order mark and with the line ends that the file has."""

    raw: str
    encoding: str

    @property
    def eol(self) -> Eol:
        return eol_of(self.raw)

    @property
    def shown(self) -> str:
        """The text as models read it: every line ends in a line feed."""
        if "\r" not in self.raw:
            return self.raw
        text = self.raw.replace("\r\n", "\n")
        return text.replace("\r", "\n") if self.eol == "cr" else text

    def encode(self, raw: str, shown: str) -> bytes:
        """`raw` as this file's bytes. Raises `InvalidInput` where its encoding lacks a character."""
        mark, codec = next(((m, c) for name, m, c in _MARKS if name == self.encoding), (b"", self.encoding))
        try:
            return mark + raw.encode(codec)
        except UnicodeEncodeError as error:
            character = raw[error.start]
            raise InvalidInput(
                f"{shown} is encoded in {self.encoding}, which has no {character!r} (U+{ord(character):04X})",
                "fs_write replaces the whole file in UTF-8",
            ) from None


def decode(data: bytes) -> Decoded | None:
    """The text of `data`, or None where it is none.

    A byte order mark decides; then UTF-8; then Windows' code page 1252, or Latin-1 where that has gaps. NUL or many
    control characters mean that it is no text.
    """
    for name, mark, codec in _MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], codec, name)
    if b"\0" in data[:_PROBE]:
        return None
    found = _strict(data, "utf-8", "utf-8")
    if found is not None:
        return found
    if _CONTROL.search(data[:_PROBE]):
        return None
    return next(filter(None, (_strict(data, page, page) for page in CODE_PAGES)))


def _strict(data: bytes, codec: str, name: str) -> Decoded | None:
    try:
        return Decoded(data.decode(codec), name)
    except UnicodeDecodeError:
        return None


def eol_of(text: str) -> Eol:
    """Which line ends `text` has."""
    if "\r" not in text:
        return "lf" if "\n" in text else "none"
    both = text.count("\r\n")
    feeds, returns = text.count("\n") - both, text.count("\r") - both
    if both and not feeds and not returns:
        return "crlf"
    return "cr" if returns and not feeds and not both else "mixed"


def one_line(name: str, limit: int | None = None) -> str:
    """A name from a file system as part of one line, so that it can't pass for lines of ours. `limit` is in
    characters."""
    if limit is None and name.isascii() and name.isprintable():  # nearly every one, of thousands
        return name
    return printable(name, limit).replace("\n", "\\n").replace("\t", "\\t")


def utf8(text: str) -> bytes:
    """Raises `InvalidInput` for a lone surrogate, which JSON can name and no encoding has."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"character {error.start + 1} is half of one (a lone surrogate)", "leave it out") from None


def count_lines(shown: str) -> int:
    """Lines of a text whose lines end in line feeds; the last one need not."""
    return shown.count("\n") + (0 if shown.endswith("\n") or not shown else 1)
