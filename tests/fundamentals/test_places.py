"""Places that are taken in turn."""

from __future__ import annotations

import anyio
import pytest

from astro_mcp.core.places import Places


async def test_whoever_waits_gets_the_place_that_is_left_in_the_order_of_coming() -> None:
    places, had = Places(1), []

    async def take(name: str) -> None:
        await places.wait()
        had.append(name)

    await places.wait()
    async with anyio.create_task_group() as group:
        for name in ("first", "second"):
            group.start_soon(take, name)
            await anyio.wait_all_tasks_blocked()
        places.leave()
        assert places.free == 0, "it is the first one's, who has not run since"
        await anyio.wait_all_tasks_blocked()
        assert had == ["first"]
        places.leave()
    places.leave()
    assert (had, places.free) == (["first", "second"], 1)


@pytest.mark.parametrize("given", [False, True])
async def test_whoever_is_cancelled_while_they_wait_has_no_place_and_takes_none_along(*, given: bool) -> None:
    places = Places(1)

    async def take() -> None:
        await places.wait()
        places.leave()

    await places.wait()
    async with anyio.create_task_group() as group:
        group.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        if given:
            places.leave()
        group.cancel_scope.cancel()
    if not given:
        places.leave()
    assert places.free == 1
