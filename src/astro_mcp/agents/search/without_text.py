"""Why a page of HTML has no text, and where its readers are sent instead."""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import urljoin

from astro_mcp.agents.search.charset import decoded
from astro_mcp.agents.search.invisible import visible
from astro_mcp.agents.search.models import Mode
from astro_mcp.agents.search.page import read

SCRIPTS: Final = "the text comes by scripts, and none is run here; look for another page about it"
SENT_ON: Final = "the page has no text, and sends its readers on"
NO_ARTICLE: Final = "there is no article; mode full gives all that is seen"
_SCRIPT: Final = re.compile(r"<script\b", re.IGNORECASE)
_META: Final = re.compile(r"<meta\b([^<>]*+)>", re.IGNORECASE)
_REFRESH: Final = re.compile(r"http-equiv\s*=\s*[\"']?refresh", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"\burl\s*=\s*[\"']?([^\"'\s>]{1,2000})", re.IGNORECASE)
_LOOKED_AT: Final = 100_000
"""Characters in which the reason is looked for."""


def reason(body: bytes, content_type: str, url: str, mode: Mode) -> tuple[str, str]:
    """Markdown in place of none, and a note; both empty where nothing is known."""
    source = decoded(body, content_type)[:_LOOKED_AT]
    if address := _sent_to(source, url):
        return f"<{address}>\n", SENT_ON
    if mode == "article" and read(body, content_type, url, "full").markdown.strip():
        return "", NO_ARTICLE
    return "", SCRIPTS if _SCRIPT.search(source) else ""


def _sent_to(source: str, url: str) -> str:
    for attributes in _META.findall(source):
        if _REFRESH.search(attributes) and (found := _ADDRESS.search(html.unescape(attributes))):
            try:
                address, _ = visible(urljoin(url, found[1]))
            except ValueError:
                return ""
            return address if re.fullmatch(r"https?://[^\s<>]+", address) else ""
    return ""
