"""A provider whose manifest says how its JSON API is asked and read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from astro_mcp.agents.search.fusion import Hit, Query
from astro_mcp.config import SearchProvider
from astro_mcp.errors import Forbidden, ProviderFailed, RateLimited, Unsupported
from astro_mcp.net.client import Fetched, GuardedClient
from astro_mcp.packs import Search, SearchRequest, SearchResults

SECONDS: Final = 12.0
BYTES: Final = 2_000_000
_DAYS: Final = {"day": 1, "week": 7, "month": 31, "year": 366}
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_NOTHING: Final[tuple[object, ...]] = ("", [], None)


class Declared:
    """One API with a key. `today` is the date that "since" counts from."""

    def __init__(
        self,
        manifest: Search,
        settings: SearchProvider,
        client: GuardedClient,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if manifest.request is None or manifest.results is None:
            raise AssertionError("the manifest says how it is asked and read")
        self._name = manifest.name
        self._request: SearchRequest = manifest.request
        self._results: SearchResults = manifest.results
        self._base = (settings.base_url or manifest.base_url).rstrip("/")
        self._settings = settings
        self._client = client
        self._today = today

    async def search(self, query: Query) -> list[Hit]:
        """Its first results; raises `Unsupported` for a freshness that it can't limit to, `ProviderFailed`,
        `RateLimited`, `Forbidden` for a key that it refuses, or what the transport raises."""
        request, allow = self._request, self._settings.allow_private
        values = self._values(query)
        headers = {"accept": "application/json"}
        headers |= {name: str(_filled(word, values)) for name, word in request.headers.items()}
        parameters = {name: _filled(value, values) for name, value in request.parameters.items()}
        parameters = {name: value for name, value in parameters.items() if value not in _NOTHING}
        url = self._base + request.path
        if request.method == "GET":
            asked = f"{url}?{urlencode(parameters, doseq=True)}"
            answer = await self._client.get(
                asked, headers=headers, max_bytes=BYTES, timeout=SECONDS, allow_private=allow
            )
        else:
            headers["content-type"] = "application/json"
            body = json.dumps(parameters).encode()
            answer = await self._client.post(
                url, body, headers=headers, max_bytes=BYTES, timeout=SECONDS, allow_private=allow
            )
        return self._hits(self._document(answer))[: query.most]

    def _values(self, query: Query) -> Mapping[str, Any]:
        request, fresh, since = self._request, "", ""
        if query.freshness != "any":
            words = {str(age): word for age, word in request.freshness.items()}
            if query.freshness not in words:
                raise Unsupported(f"it can't limit results to a {query.freshness}")
            fresh = words[query.freshness]
            since = (self._today() - timedelta(days=_DAYS[query.freshness])).strftime("%Y-%m-%d")
        apart = request.takes_domains
        return {
            "query": query.plain if apart else query.words,
            "most": min(query.most, request.most),
            "freshness": fresh,
            "since": since,
            "include": list(query.only),
            "exclude": list(query.never),
            "key": self._settings.key,
        }

    def _document(self, answer: Fetched) -> Any:
        hint = f"look at [search.{self._name}] in config.toml"
        if answer.status == 429:
            raise RateLimited("it has had too many requests")
        if answer.status in (401, 402, 403):
            raise Forbidden(f"it refuses the key, or what it may be used for (status {answer.status})", hint)
        if answer.status != 200:
            raise ProviderFailed(f"it answered with status {answer.status}", hint, retryable=answer.status >= 500)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise ProviderFailed("its answer is not JSON", hint) from None

    def _hits(self, document: Any) -> list[Hit]:
        from jmespath import compile as expression  # noqa: PLC0415 - loaded at the first search, not at the daemon's start
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

        shape = self._results
        try:
            rows = expression(shape.items).search(document)
            if rows is None and (not isinstance(document, dict) or document.get("error") or document.get("errors")):
                raise ProviderFailed("it answered with an error, or with something else than results")
            rows = [] if rows is None else rows
            if not isinstance(rows, list):
                raise ProviderFailed("its answer has no list of results")
            fields = [expression(source) for source in (shape.url, shape.title, shape.snippet, shape.published)]
            return [Hit(*(_text(field.search(row)) for field in fields)) for row in rows if isinstance(row, dict)]
        except (JMESPathError, RecursionError):
            raise ProviderFailed("its answer is not what its manifest says") from None


def _filled(word: Any, values: Mapping[str, Any]) -> Any:
    """`word` with what its placeholders stand for; a placeholder alone keeps its value's type."""
    if isinstance(word, dict):
        return {name: _filled(value, values) for name, value in word.items()}
    if not isinstance(word, str):
        return word
    if word.startswith("{") and word.endswith("}") and word[1:-1] in values:
        return values[word[1:-1]]
    return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), word)  # once: a query may say {key}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
