"""The lines of pip's requirements files, as pip itself takes them apart."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMMENT: Final = re.compile(r"\s*#")


def requirement_lines(data: bytes) -> Iterator[str]:
    """Each with those that it goes on in, whatever their ends are; in the encoding that the file's first bytes tell."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    begun: list[str] = []
    for row in data.decode(encoding, "replace").splitlines():
        if row.endswith("\\") and not COMMENT.match(row):
            begun.append(row[:-1])
        else:
            yield " ".join((*begun, row))
            begun = []
    if begun:
        yield " ".join(begun)
