"""Equal searches at once are one query to each provider."""

from __future__ import annotations

import json

import anyio
import pytest
from tests.agents.search.conftest import Build
from tests.agents.search.test_search import AnyQuery, output, searxng
from tests.net.web_site import Site, answer

from astro_mcp.agents.search.asking import Asking
from astro_mcp.agents.search.fusion import Hit, Query
from astro_mcp.core.call import Result
from astro_mcp.errors import ProviderFailed

QUERY = Query("a", 5, "any", "a")


class Slow:
    """Answers, or fails, once it may; counts who asked."""

    def __init__(self, error: ProviderFailed | None = None) -> None:
        self.asked, self.may, self.error = 0, anyio.Event(), error

    async def search(self, query: Query) -> list[Hit]:
        self.asked += 1
        await self.may.wait()
        if self.error:
            raise self.error
        return [Hit("https://docs.example/", "T", "")]


async def test_five_equal_searches_at_once_send_one_query_and_are_one_of_the_budget(build: Build, site: Site) -> None:
    found = {"results": [{"url": "https://docs.example/wal", "title": "WAL"}]}
    site.replies = AnyQuery({"/search": answer(json.dumps(found).encode())})
    ask, results = await build(searxng(site), hourly=1), list[Result]()

    async def one() -> None:
        results.append(await ask("web_search", query="sqlite wal"))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)
    assert [output(result).total for result in results] == [1] * 5
    assert len(site.requests) == 1


async def test_a_search_that_fails_fails_for_all_who_wait_for_it() -> None:
    provider, failed = Slow(ProviderFailed("no")), list[str]()
    asking = Asking({"one": provider}, 9)

    async def one() -> None:
        with pytest.raises(ProviderFailed) as error:
            await asking.ask("here", QUERY)
        failed.append(error.value.message)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        provider.may.set()
    assert failed == ["no search provider answered: one: no"] * 3
    assert provider.asked == 1


async def test_a_search_that_is_cancelled_leaves_those_who_wait_with_an_answer() -> None:
    provider, found, first = Slow(), list[int](), anyio.CancelScope()
    asking = Asking({"one": provider}, 2)

    async def one() -> None:
        lists, _ = await asking.ask("here", QUERY)
        found.append(len(lists["one"]))

    async def cancelled() -> None:
        with first:
            await one()

    async with anyio.create_task_group() as group:
        group.start_soon(cancelled)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(one)
        group.start_soon(one)
        with anyio.move_on_after(0.01):  # a waiter's own deadline
            await asking.ask("here", QUERY)
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        provider.may.set()
    assert found == [1, 1]
    assert provider.asked == 2


async def test_what_one_tenant_asks_is_not_waited_for_by_another() -> None:
    provider = Slow()
    asking = Asking({"one": provider}, 1)
    async with anyio.create_task_group() as group:
        group.start_soon(asking.ask, "here", QUERY)
        group.start_soon(asking.ask, "there", QUERY)
        await anyio.wait_all_tasks_blocked()
        assert provider.asked == 2
        provider.may.set()
