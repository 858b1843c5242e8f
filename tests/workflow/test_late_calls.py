"""Calls of runs share a cancel scope in turn, and yet each has its own deadline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import Counted, Found, House, Said, Text, Toys, house, until_called

from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Context
from astro_mcp.core.tool import tool

LATE = "50ms"


class Slow(Toys):
    """Tools that wait in ways of their own."""

    name = "slow"

    @tool(title="Clean up", effects={Effect.READ}, idempotent=True)
    async def toy_clean(self, args: Text, ctx: Context) -> Said:
        """Wait, and clean up for a while whatever happens."""
        try:
            await self.gate.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.02)
                await anyio.sleep(0.02)
                self._note("clean")
        return Said()

    @tool(title="Stay", effects={Effect.READ}, idempotent=True)
    async def toy_stay(self, args: Text, ctx: Context) -> Said:
        """Go on waiting when told to end, once."""
        try:
            await self.gate.wait()
        except anyio.get_cancelled_exc_class():
            self._note("told")
            await self.gate.wait()
        return Said(text_="stayed")

    @tool(title="Give up waiting", effects={Effect.READ}, idempotent=True)
    async def toy_late(self, args: Text, ctx: Context) -> Said:
        """Be told to end, and end with a result all the same."""
        try:
            await self.gate.wait()
        except anyio.get_cancelled_exc_class():
            return Said(text_="late")
        return Said(text_="not late")

    @tool(title="End just in time", effects={Effect.READ}, idempotent=True)
    async def toy_at_the_bell(self, args: Counted, ctx: Context) -> Found:
        """End with a large result at the very moment at which the time is over."""
        await anyio.sleep(0)
        assert ctx.call.lent is not None
        ctx.call.lent.cancel()
        return Found(items=[{"text": "x" * args.size}], total=1)


def steps(tool_name: str, count: int, **fields: Any) -> dict[str, Any]:
    step = {"id": "each", "foreach": list(range(count)), "tool": tool_name, "continue-on-error": True, **fields}
    return {"steps": [step], "outputs": {"done": "${{ size(steps.each) }}"}}


async def codes(h: House) -> list[tuple[str, ...]]:
    await h.database.write(lambda tx: None)
    return await h.rows("SELECT tool, code FROM audit WHERE phase = 'outcome' AND run_id IS NOT NULL")


async def test_late_calls_are_told_and_recorded_as_late_and_take_none_along(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        spec = steps("toy_hold", 6, timeout=LATE, max_parallel=3)
        spec["steps"].append({"id": "last", "tool": "toy_say", "with": {"text": "x"}, "needs": ["each"]})
        ended = await h.run(spec)
        assert ended["status"] == "succeeded"
        assert sorted(await codes(h)) == [("toy_hold", "timeout")] * 6 + [("toy_say", "ok")]
        assert (h.toys.at_once, h.toys.most_at_once) == (0, 3)


async def test_a_call_is_late_beside_others_that_are_not(tmp_path: Path) -> None:
    async with house(tmp_path) as h, anyio.create_task_group() as group:
        both = [
            {"id": "a", "tool": "toy_hold", "timeout": LATE, "continue-on-error": True},
            {"id": "b", "tool": "toy_hold", "with": {"text": "there"}},
        ]
        spec = {"steps": both, "outputs": {"b": "${{ steps.b.text_ }}"}}

        async def run() -> None:
            assert (await h.run(spec))["outputs"] == {"b": "there"}

        group.start_soon(run)
        await until_called(h.toys, "hold there")
        while ("toy_hold", "timeout") not in await codes(h):
            await anyio.sleep(0.01)
        h.toys.gate.set()


async def test_what_a_late_call_cleans_up_is_waited_for(tmp_path: Path) -> None:
    async with house(tmp_path, toys=Slow()) as h:
        ended = await h.run({"steps": [{"id": "a", "tool": "toy_clean", "timeout": LATE}]})
        assert (ended["error"]["code"], h.toys.calls) == ("timeout", ["clean"])


async def test_a_late_call_that_goes_on_waiting_is_told_again(tmp_path: Path) -> None:
    async with house(tmp_path, toys=Slow()) as h:
        ended = await h.run({"steps": [{"id": "a", "tool": "toy_stay", "timeout": LATE}]})
        assert (ended["error"]["code"], h.toys.calls) == ("timeout", ["told"])


@pytest.mark.parametrize("effect", ["toy_hold", "toy_hold_write"])
async def test_a_late_call_is_told_of_though_the_trail_has_to_be_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effect: str
) -> None:
    monkeypatch.setattr("astro_mcp.store.database.LINE", 1)
    async with house(tmp_path) as h:
        ended = await h.run(steps(effect, 5, timeout=LATE, max_parallel=2))
        assert (ended["status"], ended["outputs"]) == ("succeeded", {"done": 5})
        assert await codes(h) == [(effect, "timeout")] * 5


async def test_a_late_call_that_gives_something_all_the_same_has_given_it(tmp_path: Path) -> None:
    async with house(tmp_path, toys=Slow()) as h:
        spec = {"steps": [{"id": "a", "tool": "toy_late", "timeout": LATE}], "outputs": {"a": "${{ steps.a.text_ }}"}}
        assert (await h.run(spec))["outputs"] == {"a": "late"}


@pytest.mark.parametrize("size", [10, 40_000, 300_000])
async def test_a_large_result_of_a_call_that_ends_when_its_time_does_is_kept(tmp_path: Path, size: int) -> None:
    async with house(tmp_path, toys=Slow()) as h:
        step = {"id": "a", "tool": "toy_at_the_bell", "with": {"count": 1, "size": size}}
        ended = await h.run({"steps": [step], "outputs": {"size": "${{ size(steps.a.items[0].text) }}"}})
        assert (ended["status"], ended["outputs"]) == ("succeeded", {"size": size})


async def test_a_run_is_cancelled_while_its_calls_wait_within_their_time(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        begun = await h.run(steps("toy_hold", 3, timeout="30s"), wait_seconds=0)
        await until_called(h.toys, "hold ")
        ended = await h.call("workflow_control", run_id=begun["run_id"], action="cancel")
        assert ended["status"] == "cancelled"
        with anyio.fail_after(5):
            while h.toys.at_once:
                await anyio.sleep(0.01)
        assert await codes(h) == [("toy_hold", "cancelled")] * 3
