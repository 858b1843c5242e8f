"""Every provider at once: what each found, and who failed or was too slow. Remembered a while, and within a budget."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import anyio

from astro_mcp.agents.search.fusion import Hit, Query, plain
from astro_mcp.agents.search.models import ProviderError
from astro_mcp.errors import AstroError, ProviderFailed, RateLimited, TimedOut

ONLINE: Final = "check that this machine is online"
WAIT: Final = "wait some minutes, or set another provider in config.toml"
ADD_ONE: Final = "set enabled = true in [search.ddgs], or base_url of a SearXNG in [search.searxng], of config.toml"
PATIENCE: Final = 2.0
"""Seconds that the others have once one has found something; as long again as that one took, where that is more."""
HOUR: Final = 3600.0
FRESH: Final = {"day": 300.0, "week": 1800.0}
"""Seconds for which an answer is remembered; an hour where nothing younger was asked for."""
REMEMBERED: Final = 500


class Provider(Protocol):
    """Somebody who searches the web."""

    async def search(self, query: Query) -> list[Hit]:
        """Results, the best first; raises an `AstroError`."""


@dataclass(slots=True)
class _Sent:
    """A query on its way. `answer` is what each provider found, and who failed; None where its asker was cancelled."""

    ended: anyio.Event = field(default_factory=anyio.Event)
    answer: tuple[dict[str, list[Hit]], dict[str, AstroError]] | None = None


class Asking:
    """`hourly` are the queries that a tenant may send out within an hour."""

    def __init__(self, providers: Mapping[str, Provider], hourly: int) -> None:
        self._providers = providers
        self._hourly = hourly
        self._sent: dict[str, deque[float]] = {}
        self._under_way: dict[tuple[str, Query], _Sent] = {}
        self._known: OrderedDict[tuple[str, str, Query], tuple[float, list[Hit]]] = OrderedDict()

    async def ask(self, tenant: str, query: Query) -> tuple[dict[str, list[Hit]], list[ProviderError]]:
        """What each provider found, in their order, and who failed. Raises `ProviderFailed` where nobody answered,
        `RateLimited` where the tenant's budget is spent and nothing is remembered."""
        if not self._providers:
            raise ProviderFailed("no search provider is configured", ADD_ONE, retryable=False)
        lists, failed = await self._once(tenant, query)
        if len(failed) == len(self._providers):
            raise _all_failed(failed)
        told = [ProviderError(provider=name, code=one.code, message=one.message) for name, one in failed.items()]
        return dict(lists), told

    async def _once(self, tenant: str, query: Query) -> tuple[dict[str, list[Hit]], dict[str, AstroError]]:
        """The answer to an equal query that is under way, or to this one."""
        while (other := self._under_way.get((tenant, query))) is not None:
            await other.ended.wait()
            if other.answer is not None:
                return other.answer
        sent = self._under_way[tenant, query] = _Sent()
        try:
            sent.answer = await self._answers(tenant, query)
        finally:
            del self._under_way[tenant, query]
            sent.ended.set()
        return sent.answer

    async def _answers(self, tenant: str, query: Query) -> tuple[dict[str, list[Hit]], dict[str, AstroError]]:
        lists: dict[str, list[Hit]] = {name: [] for name in self._providers}
        known = {name: hits for name in lists if (hits := self._remembered(tenant, name, query)) is not None}
        lists |= known
        others = {name: provider for name, provider in self._providers.items() if name not in known}
        failed: dict[str, AstroError] = {}
        if others:
            try:
                self._spend(tenant)
            except RateLimited as error:
                if not known:
                    raise
                failed = dict.fromkeys(others, error)
            else:
                failed = await self._all(tenant, query, others, lists)
        return lists, failed

    async def _all(
        self, tenant: str, query: Query, providers: Mapping[str, Provider], lists: dict[str, list[Hit]]
    ) -> dict[str, AstroError]:
        waiting, failed = set(providers), dict[str, AstroError]()
        began = anyio.current_time()

        async def one(name: str, provider: Provider, scope: anyio.CancelScope) -> None:
            try:
                lists[name] = found = plain(await provider.search(query))
            except AstroError as error:
                failed[name] = error
            else:
                self._remember(tenant, name, query, found)
                if found:
                    now = anyio.current_time()
                    scope.deadline = min(scope.deadline, now + max(PATIENCE, now - began))
            waiting.discard(name)

        async with anyio.create_task_group() as group:
            for name, provider in providers.items():
                group.start_soon(one, name, provider, group.cancel_scope)
        took = anyio.current_time() - began
        failed |= {name: TimedOut(f"it was not waited for longer than {took:.1f} s") for name in waiting}
        return dict(sorted(failed.items()))

    def _spend(self, tenant: str) -> None:
        now, sent = anyio.current_time(), self._sent.setdefault(tenant, deque())
        while sent and sent[0] <= now - HOUR:
            sent.popleft()
        if len(sent) >= self._hourly:
            wait = max(1, int(1000 * (sent[0] + HOUR - now)))
            raise RateLimited(
                f"{self._hourly} searches went out within an hour, and no more are sent",
                "wait, or let the operator raise web.searches_per_hour",
                retry_after_ms=wait,
            )
        sent.append(now)

    def _remembered(self, tenant: str, name: str, query: Query) -> list[Hit] | None:
        until, hits = self._known.get((tenant, name, query), (0.0, []))
        return hits if until > anyio.current_time() else None

    def _remember(self, tenant: str, name: str, query: Query, hits: list[Hit]) -> None:
        until = anyio.current_time() + FRESH.get(query.freshness, HOUR)
        self._known[tenant, name, query] = (until, hits)
        self._known.move_to_end((tenant, name, query))
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _all_failed(failed: Mapping[str, AstroError]) -> ProviderFailed:
    """With what each says that can be done; that the machine may be offline where one says nothing."""
    told = "; ".join(f"{name}: {error.message}" for name, error in failed.items())
    busy = any(error.code == RateLimited.code for error in failed.values())
    hint = WAIT if busy else "; ".join(dict.fromkeys(error.hint or ONLINE for error in failed.values()))
    return ProviderFailed(
        f"no search provider answered: {told}", hint, retryable=any(error.retryable for error in failed.values())
    )
