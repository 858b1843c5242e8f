"""SearXNG's JSON API (https://docs.searxng.org/dev/search_api.html), at the address that the operator gave."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlencode

from astro_mcp.agents.search.fusion import Hit, Query, seen_line
from astro_mcp.config import SearchProvider
from astro_mcp.errors import ProviderFailed, RateLimited
from astro_mcp.net.client import Fetched, GuardedClient

SECONDS: Final = 12.0
SHOWN: Final = 10
"""Engines that failed and are named."""
_HINT: Final = "search.searxng.base_url is its address; its settings.yml must list json under search.formats"
_LATER: Final = "wait some minutes, or look at its engines"


class SearXNG:
    """One instance."""

    def __init__(self, base_url: str, settings: SearchProvider, client: GuardedClient) -> None:
        self._base = base_url.rstrip("/")
        self._settings = settings
        self._client = client

    async def search(self, query: Query) -> list[Hit]:
        """Its first page of results; raises `ProviderFailed`, `RateLimited` or what the transport raises."""
        words = {"q": query.words, "format": "json", "safesearch": "1"}
        if query.freshness != "any":
            words["time_range"] = query.freshness
        headers = {"accept": "application/json"}
        if self._settings.key:
            headers["authorization"] = f"Bearer {self._settings.key}"
        url = f"{self._base}/search?{urlencode(words)}"
        allow = self._settings.allow_private
        answer = await self._client.get(url, headers=headers, timeout=SECONDS, allow_private=allow)
        return _hits(_results(answer))[: query.most]


def _results(answer: Fetched) -> list[Any]:
    if answer.status == 429:
        raise RateLimited("it has had too many requests")
    if answer.status == 403:  # which it says to every format that its settings don't list
        raise ProviderFailed("it refuses to answer as JSON, or to this machine (status 403)", _HINT, retryable=False)
    if answer.status != 200:
        raise ProviderFailed(f"it answered with status {answer.status}", _HINT)
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ProviderFailed("its answer is not JSON", _HINT) from None
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list):
        raise ProviderFailed("its answer has no results", _HINT)
    if not results and (silent := _silent(body)):
        raise ProviderFailed(f"it found nothing, and these of its engines did not answer: {silent}", _LATER)
    return results


def _silent(body: dict[str, Any]) -> str:
    """The engines that failed, each with its name and why."""
    pairs = body.get("unresponsive_engines")
    rows = pairs[:SHOWN] if isinstance(pairs, list) else []
    return ", ".join(seen_line(f"{row[0]} ({row[1]})", 80) for row in rows if isinstance(row, list) and len(row) == 2)


def _hits(results: list[Any]) -> list[Hit]:
    rows = [row for row in results if isinstance(row, dict)]
    return [
        Hit(_text(row, "url"), _text(row, "title"), _text(row, "content"), _text(row, "publishedDate")) for row in rows
    ]


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""
