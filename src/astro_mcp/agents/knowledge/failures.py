"""What an endpoint or a server says of its failure, as it is told on."""

from __future__ import annotations

from typing import Final

from astro_mcp.net.client import Fetched
from astro_mcp.workspace.text import one_line

SHOWN: Final = 200


def said(answer: Fetched, key: str) -> str:
    """The begin of an answer on one line, without the key that it was sent, which some repeat."""
    text = answer.body[: 20 * SHOWN].decode("utf-8", "replace")
    return one_line((text.replace(key, "[key]") if key else text)[:SHOWN])
