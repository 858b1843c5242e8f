"""A PDF's text, read in a bounded child process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from astro_mcp.documents import child
from astro_mcp.errors import InvalidInput, LimitHit, TimedOut

SECONDS: Final = 30.0
PAGES: Final = 500
CHARACTERS: Final = 2_000_000
OUTPUT: Final = CHARACTERS * 8
"""Bytes of the answer, in which a character may be an escape."""
MEMORY: Final = 1 << 30
_CHILD: Final = Path(__file__).with_name("pdf_child.py")


async def pdf_text(data: bytes, shown: str) -> tuple[str, str]:
    """Text with a line `[page N]` before each page, and a note on how many pages there are.

    Raises `InvalidInput` for what is no readable PDF, `LimitHit` and `TimedOut` for what takes too much.
    """
    argv = [sys.executable, "-I", str(_CHILD), str(MEMORY), str(int(SECONDS)), str(PAGES), str(CHARACTERS)]
    try:
        output, status = await child.run(argv, SECONDS, OUTPUT, data)
    except TimeoutError:
        slow = f"{shown} took longer than {SECONDS:g} s to read"
        raise TimedOut(slow, "it may be broken, or made to be slow") from None
    except child.TooMuch:
        raise LimitHit(f"the text of {shown} is too long") from None
    if status != 0:
        raise LimitHit(f"{shown} needs more memory or time than a PDF is given", "it may be made to do so")
    body = json.loads(output)
    if "error" in body:
        raise InvalidInput(f"{shown} can't be read as a PDF: {body['error']}")
    pages, total = body["pages"], body["total"]
    text = "\n".join(f"[page {number}]\n{page}" for number, page in enumerate(pages, 1))
    cut = f", the first {len(pages)} shown" if len(pages) < total else ""
    return text, f"text of a PDF of {total} pages{cut}"
