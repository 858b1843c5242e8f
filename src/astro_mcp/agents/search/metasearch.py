"""Search engines without keys, by the library ddgs.

It brings its own HTTP: it looks like a browser to the engines, which turn others away, and so can't go through
`net`. What is left to it is small: fixed https addresses of the engines that the manifest names, never one that came
from a caller or a page, with a deadline, in threads of its own. `[search.ddgs] enabled = false` turns it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import anyio
import anyio.to_thread

from astro_mcp.agents.search.fusion import Hit, Query
from astro_mcp.errors import ProviderFailed, RateLimited, TimedOut

REQUEST_SECONDS: Final = 6
SECONDS: Final = 20.0
_LIMITS: Final = {"any": None, "day": "d", "week": "w", "month": "m", "year": "y"}


class Metasearch:
    """The engines of one manifest."""

    def __init__(self, engines: Sequence[str]) -> None:
        self._engines = ",".join(engines)
        self._threads = anyio.CapacityLimiter(4)

    async def search(self, query: Query) -> list[Hit]:
        """Results of whichever engines answer; raises `ProviderFailed`, `RateLimited`, `TimedOut`."""
        try:
            with anyio.fail_after(SECONDS):
                rows = await anyio.to_thread.run_sync(
                    lambda: self._ask(query), abandon_on_cancel=True, limiter=self._threads
                )
        except TimeoutError:
            raise TimedOut(f"no engine answered within {SECONDS:g} s") from None
        return [Hit(str(row.get("href", "")), str(row.get("title", "")), str(row.get("body", ""))) for row in rows]

    def _ask(self, query: Query) -> list[dict[str, Any]]:
        from ddgs import DDGS  # noqa: PLC0415 - loaded at the first search, and not at the daemon's start
        from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException  # noqa: PLC0415 - as above

        limit = _LIMITS[query.freshness]
        try:
            found: list[dict[str, Any]] = DDGS(timeout=REQUEST_SECONDS).text(
                query.words, backend=self._engines, max_results=query.most, timelimit=limit
            )
        except TimeoutException:
            raise TimedOut(f"no engine answered within {REQUEST_SECONDS} s") from None
        except RatelimitException:
            raise RateLimited("the engines have had too many requests") from None
        except DDGSException as error:
            if "No results" in str(error):
                return []
            raise ProviderFailed(_reason(str(error))) from None
        return found


def _reason(message: str) -> str:
    """The library's message is its engine's exception, addresses and all."""
    kind = message.split(":", 1)[0]
    return f"the engines can't be reached ({kind[:60]})"
