"""OSV's API (https://google.github.io/osv.dev/api/), at the operator's address: who is affected, and by what.

Names and versions go out, and nothing else. An advisory is asked for once for as long as it stays as it is: the answer
to a query says of each when it was last changed.
"""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import anyio

from astro_mcp.agents.lint.audit.advisory import Advisory, is_id, parse
from astro_mcp.agents.lint.audit.inventory import Pin
from astro_mcp.config import AdvisorySettings
from astro_mcp.errors import AstroError, ProviderFailed, RateLimited, Unavailable
from astro_mcp.net.client import Fetched, GuardedClient
from astro_mcp.sandbox.packages.tables import table

BATCH: Final = 1_000
"""Queries in one request, OSV's own bound."""
PAGES: Final = 20
AT_ONCE: Final = 8
ADVISORIES: Final = 2_000
"""Advisories whose details are asked for in one call."""
KEPT: Final = 10_000
ANSWER_BYTES: Final = 32 * 1024 * 1024
ADVISORY_BYTES: Final = 4 * 1024 * 1024
_HINT: Final = "look at [advisories] in config.toml"

Named = tuple[str, str]
"""An advisory's id, and when it was last changed."""


class Osv:
    """One database; it remembers the advisories that it has read."""

    def __init__(self, client: GuardedClient, settings: AdvisorySettings) -> None:
        self._client = client
        self._settings = settings
        self._known: OrderedDict[Named, Advisory] = OrderedDict()

    async def affected(self, pins: Sequence[Pin]) -> tuple[dict[Pin, list[Named]], set[Pin]]:
        """The advisories of each pin that has some, and the pins that one without a usable id is for.

        Raises `Unavailable` where no address is set, `ProviderFailed`, `RateLimited`, and what the transport raises.
        """
        if not self._settings.base_url:
            raise Unavailable("no database of advisories is set", _HINT, retryable=False)
        found: defaultdict[Pin, list[Named]] = defaultdict(list)
        odd: set[Pin] = set()
        line: list[tuple[Pin, str]] = [(pin, "") for pin in pins]
        for _ in range(PAGES):
            following: list[tuple[Pin, str]] = []
            for start in range(0, len(line), BATCH):
                following += await self._batch(line[start : start + BATCH], found, odd)
            line = following
            if not line:
                return {pin: sorted(set(named)) for pin, named in found.items()}, odd
        raise ProviderFailed("the database of advisories does not come to an end", _HINT)

    async def details(self, named: Sequence[Named]) -> tuple[dict[Named, Advisory], list[str]]:
        """Each advisory, and a line for each that could not be had."""
        found: dict[Named, Advisory] = {}
        missed: dict[Named, str] = dict.fromkeys(named[ADVISORIES:], f"over {ADVISORIES:,} advisories in one call")
        places = anyio.CapacityLimiter(AT_ONCE)

        async def one(which: Named) -> None:
            async with places:
                try:
                    found[which] = await self._advisory(which)
                except AstroError as error:
                    missed[which] = error.message

        async with anyio.create_task_group() as group:
            for which in named[:ADVISORIES]:
                group.start_soon(one, which)
        return found, [f"{missed[which]}: {which[0]}" for which in named if which in missed]

    async def _batch(
        self, line: Sequence[tuple[Pin, str]], found: Mapping[Pin, list[Named]], odd: set[Pin]
    ) -> list[tuple[Pin, str]]:
        """Ask about each pin, or for the next page of its advisories; returns those of which there is one more."""
        queries = [_query(pin, page) for pin, page in line]
        answer = await self._client.post(
            f"{self._settings.base_url.rstrip('/')}/v1/querybatch",
            json.dumps({"queries": queries}).encode(),
            headers={"content-type": "application/json"},
            max_bytes=ANSWER_BYTES,
            timeout=self._settings.timeout_seconds,
            allow_private=self._settings.allow_private,
        )
        results = _json(answer).get("results")
        if not isinstance(results, list) or len(results) != len(line):
            raise ProviderFailed("the database of advisories did not answer every query", _HINT)
        following = []
        for (pin, _), result in zip(line, map(table, results), strict=True):
            vulns = result.get("vulns")
            entries = [table(entry) for entry in vulns] if isinstance(vulns, list) else []
            found[pin].extend(
                (entry["id"], str(entry.get("modified"))[:40]) for entry in entries if is_id(entry.get("id"))
            )
            odd.update(pin for entry in entries if not is_id(entry.get("id")))
            page = result.get("next_page_token")
            if isinstance(page, str) and page:
                following.append((pin, page[:10_000]))
        return following

    async def _advisory(self, which: Named) -> Advisory:
        if which in self._known:
            self._known.move_to_end(which)
            return self._known[which]
        answer = await self._client.get(
            f"{self._settings.base_url.rstrip('/')}/v1/vulns/{quote(which[0], safe='')}",
            headers={"accept": "application/json"},
            max_bytes=ADVISORY_BYTES,
            timeout=self._settings.timeout_seconds,
            allow_private=self._settings.allow_private,
        )
        _check(answer)
        advisory = await anyio.to_thread.run_sync(parse, answer.body)
        if advisory.id != which[0]:
            raise ProviderFailed("another advisory came than was asked for", _HINT)
        self._known[which] = advisory
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return advisory


def _query(pin: Pin, page: str) -> dict[str, Any]:
    query = {"package": {"ecosystem": pin.ecosystem, "name": pin.name}, "version": pin.version}
    return {**query, **({"page_token": page} if page else {})}


def _json(answer: Fetched) -> dict[str, Any]:
    _check(answer)
    try:
        return table(json.loads(answer.body))
    except (ValueError, RecursionError):
        raise ProviderFailed("the answer of the database of advisories is not JSON", _HINT) from None


def _check(answer: Fetched) -> None:
    if answer.status == 429:
        raise RateLimited("the database of advisories has had too many requests")
    if answer.status != 200:
        passes = answer.status >= 500
        raise ProviderFailed(
            f"the database of advisories answered with status {answer.status}", _HINT, retryable=passes
        )
