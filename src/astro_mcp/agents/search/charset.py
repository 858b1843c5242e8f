"""The text of a body: its charset by byte order mark, header, declaration, and by its looks where nothing is told."""

from __future__ import annotations

import codecs
import re
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_META: Final = re.compile(rb"""<meta[^>]{0,200}charset=["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_XML: Final = re.compile(rb"""\s*<\?xml[^>]{0,100}encoding=["']([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_HEADER: Final = re.compile(r"charset=[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_KNOWN: Final = re.compile(
    r"utf-?(8|16|16le|16be|32)|us-ascii|ascii|(iso-)?8859-?\d+(-\d+)?|iso-8859-\d+|latin-?1|windows-\d+|cp\d+|koi8-[ru]|"
    r"shift[_-]jis|x-sjis|sjis|windows-31j|euc-(jp|kr)|ks_c_5601-1987|iso-2022-jp|gb2312|(x-)?gbk|gb18030|"
    r"big5(-hkscs)?|macintosh|tis-620"
)
"""Only these: Python's codecs hold others (idna, punycode) that are slow on hostile input, or are no charset."""
_LARGER: Final = {
    **dict.fromkeys(("iso-8859-1", "latin-1", "latin1", "ascii", "us-ascii"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk"), "gb18030"),
    **dict.fromkeys(("euc-kr", "ks-c-5601-1987", "windows-949"), "cp949"),
    **dict.fromkeys(("shift-jis", "x-sjis", "sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("tis-620", "iso-8859-11", "windows-874"), "cp874"),
    "iso-8859-9": "cp1254",
    "big5": "big5hkscs",
}
"""What the web means by a label: mostly a larger set than the standard of that name, which pages go beyond
(https://encoding.spec.whatwg.org/#names-and-labels)."""
_LATIN: Final = "\u024f"
"""The last of the Latin letters."""
_LOOKED_AT: Final = 20_000
"""Bytes that detection looks at: it takes some seconds for a megabyte."""


def decoded(body: bytes, content_type: str) -> str:
    """`body` as text. What is not in its charset becomes U+FFFD; nothing fails."""
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body.decode(name, "replace")
    told, inside = _HEADER.search(content_type), _META.search(body[:2048]) or _XML.match(body[:300])
    for label in (told[1] if told else "", inside[1].decode("ascii") if inside else ""):
        if _KNOWN.fullmatch(label.lower()):
            return _decode(body, label.lower())
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _decode(body, _detected(body))


def _decode(body: bytes, name: str) -> str:
    try:
        return body.decode(_LARGER.get(name.replace("_", "-"), name), "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _detected(body: bytes) -> str:
    """UTF-8 where most of what is not ASCII is: a page with a broken character or two. Else another script's charset,
    or the web's own for Latin script, which short texts don't tell from its neighbours."""
    start = body[:_LOOKED_AT]
    text = start.decode("utf-8", "replace")
    if text.count("\ufffd") * 4 <= sum(letter > "\x7f" for letter in text):
        return "utf-8"
    from charset_normalizer import from_bytes  # noqa: PLC0415 - for the few pages that tell nothing

    found = from_bytes(start).best()
    if found is None or not _KNOWN.fullmatch(found.encoding.replace("_", "-")):
        return "cp1252"
    letters = [letter for letter in str(found) if letter > "\x7f"]
    return found.encoding if sum(letter > _LATIN for letter in letters) * 2 > len(letters) else "cp1252"
