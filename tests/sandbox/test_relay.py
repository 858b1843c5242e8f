"""The host's end of a run's connections against whatever a container might send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.web_site import Loopback, Names, answer, serving
from tests.security.test_addresses import CLOSED

from astro_mcp.config import SandboxSettings
from astro_mcp.net.addresses import Named
from astro_mcp.sandbox import relay
from astro_mcp.sandbox.egress import AT_ONCE, IN_ALL, Egress, Refused, named
from astro_mcp.sandbox.frames import NUMBER, WINDOW, BrokenProtocol, Frame, Parser
from astro_mcp.sandbox.relay import Relay

MIB = 1 << 20
Step = tuple[bytes, int, bytes]
OPEN: Step = (b"c", 1, b"site.example:80")
TOO_MUCH = [(b"d", 1, bytes(WINDOW - 1)), (b"d", 1, b"xx")]
FORGED: dict[str, list[Step]] = {
    "data of none that was opened": [(b"d", 1, b"x")],
    "the end of none that was opened": [(b"s", 7, b""), (b"q", 7, b"")],
    "a huge number": [(b"c", 1 << 31, b"site.example:80")],
    "a number twice": [OPEN, OPEN],
    "number zero": [(b"c", 0, b"site.example:80")],
    "data after the end of data": [OPEN, (b"s", 1, b""), (b"d", 1, b"x")],
    "two ends of data": [OPEN, (b"s", 1, b""), (b"s", 1, b"")],
    "data after the end": [OPEN, (b"q", 1, b""), (b"d", 1, b"x")],
    "two ends": [OPEN, (b"q", 1, b""), (b"q", 1, b"")],
    "an end with data": [OPEN, (b"s", 1, b"x")],
    "no data": [OPEN, (b"d", 1, b"")],
    "more than the window": [OPEN, *TOO_MUCH],
    "a window that was never used": [OPEN, (b"w", 1, NUMBER.pack(1))],
    "a window of nothing": [OPEN, (b"w", 1, NUMBER.pack(0))],
    "half a window": [OPEN, (b"w", 1, b"\0\0")],
    "too many at once": [(b"c", number, b"x.example:1") for number in range(1, AT_ONCE + 2)],
}


def frame(step: Step) -> Frame:
    kind, number, body = step
    return Frame(kind, NUMBER.pack(number) + body)


@dataclass
class Told:
    """What the container would have been told."""

    frames: list[Frame] = field(default_factory=list)
    _parser: Parser = field(default_factory=Parser)

    async def send(self, data: bytes) -> None:
        self.frames += self._parser.feed(data)

    def of(self, kind: bytes) -> list[bytes]:
        return [one.payload[NUMBER.size :] for one in self.frames if one.kind == kind]

    def size(self, kind: bytes) -> int:
        return sum(map(len, self.of(kind)))


@dataclass
class Container:
    """Speaks to a relay as PID 1 does."""

    relay: Relay
    told: Told

    def say(self, *steps: Step) -> None:
        for step in steps:
            self.relay.take(frame(step))

    async def until(self, ready: Callable[[], object]) -> None:
        with anyio.fail_after(5):
            while not ready():
                await anyio.sleep(0.001)


def egress(*allowed: str, megabytes: int = 1, names: Names | None = None, **given: Any) -> Egress:
    bounds = SandboxSettings(egress_mb=megabytes).model_copy(update={"egress": allowed or ("site.example:80",)})
    return Egress(bounds, resolve=names or Names(), **{"policy": Loopback(), **given})


@asynccontextmanager
async def talking(way: Egress, send: Callable[[bytes], Awaitable[None]] | None = None) -> AsyncIterator[Container]:
    told = Told()
    made = Relay(way, send or told.send, "run")
    async with made.running():
        yield Container(made, told)


async def never(data: bytes) -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize("steps", FORGED.values(), ids=FORGED.keys())
async def test_a_frame_that_fits_no_connection_is_a_broken_protocol(steps: list[Step]) -> None:
    with pytest.raises(BrokenProtocol):
        async with talking(egress(), never) as container:
            container.say(*steps)


async def test_a_frame_without_a_number_is_a_broken_protocol() -> None:
    with pytest.raises(BrokenProtocol):
        async with talking(egress()) as container:
            container.relay.take(Frame(b"d", b"\0\0"))


async def test_a_container_that_takes_no_frames_is_a_broken_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "END_SECONDS", 0.1)

    async def asks() -> None:
        async with talking(egress(), never) as container:
            container.say((b"c", 1, b"x.example:1"))
            await anyio.sleep(0.05)

    with pytest.raises(BrokenProtocol):
        await asks()


async def test_a_connection_goes_both_ways_until_both_have_ended() -> None:
    async with serving() as site:
        site.replies["/"] = answer(b"hello")
        target = f"site.example:{site.port}"
        async with talking(egress(target)) as container:
            told = container.told
            container.say((b"c", 1, target.encode()), (b"d", 1, b"GET / HTTP/1.1\r\n"), (b"d", 1, b"\r\n"))
            await container.until(lambda: told.of(b"s"))
            assert told.of(b"c") == [b"\0\xc8"]
            assert sum(NUMBER.unpack(body)[0] for body in told.of(b"w")) == 18
            assert b"".join(told.of(b"d")).endswith(b"hello")
            assert told.of(b"q") == []
            container.say((b"s", 1, b""))
            await container.until(lambda: told.of(b"q"))
            container.say((b"q", 1, b""))
            with pytest.raises(BrokenProtocol):
                container.say((b"q", 1, b""))
        [one] = container.relay.traffic()
        assert (one.to, one.sent, one.received) == (target, 18, len(b"".join(told.of(b"d"))))


async def test_no_more_is_sent_than_the_container_takes() -> None:
    async with serving() as site:
        site.replies["/"] = answer(bytes(3 * WINDOW))
        target = f"site.example:{site.port}"
        async with talking(egress(target)) as container:
            container.say((b"c", 1, target.encode()), (b"d", 1, b"GET / HTTP/1.1\r\n\r\n"))
            await container.until(lambda: container.told.size(b"d") == WINDOW)
            await anyio.sleep(0.05)
            assert container.told.size(b"d") == WINDOW
            container.say((b"w", 1, NUMBER.pack(10)))
            await container.until(lambda: container.told.size(b"d") == WINDOW + 10)
            container.say((b"q", 1, b""))
            await container.until(lambda: container.told.of(b"q"))


async def test_small_pieces_count_for_more_than_they_hold() -> None:
    async with serving() as site:
        target = f"site.example:{site.port}"
        async with talking(egress(target)) as container:
            container.say((b"c", 1, target.encode()))
            await container.until(lambda: container.told.of(b"c"))
            fits = MIB // relay.LEAST
            container.say(*[(b"d", 1, b"x")] * fits)
            told = [container.relay.over]
            container.say((b"d", 1, b"x"))
            assert [*told, container.relay.over] == [False, True]
            await container.until(lambda: container.told.of(b"q"))
            container.say((b"c", 2, target.encode()))
            await container.until(lambda: len(container.told.of(b"c")) == 2)
            assert container.told.of(b"c")[1].startswith(b"\x01\xad")  # 429


async def test_at_most_twenty_destinations_are_told_one_by_one() -> None:
    async with talking(egress()) as container:
        for number in range(1, 41):
            container.say((b"c", number, f"x{number}.example:1".encode()))
            while len(container.told.of(b"q")) < number:
                await anyio.sleep(0)
            container.say((b"q", number, b""))
        told = container.relay.traffic()
    assert len(told) == relay.MOST_TOLD + 1
    assert (told[-1].to, told[-1].connections) == ("others", 20)


async def test_connections_beyond_the_bound_of_a_run_are_a_broken_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "IN_ALL", 2)
    async with talking(egress()) as container:
        container.say((b"c", 1, b"x.example:1"), (b"c", 2, b"x.example:1"))
        with pytest.raises(BrokenProtocol):
            container.say((b"c", 3, b"x.example:1"))
    assert IN_ALL == 2000


@pytest.mark.parametrize("address", CLOSED)
async def test_a_named_host_at_an_address_that_is_not_public_is_refused(address: str) -> None:
    names = Names()
    names.answers["site.example"] = [["1.1.1.1", address]]
    with pytest.raises(Refused) as caught:
        await egress("site.example:25", names=names, policy=Named()).connect("site.example:25")
    assert caught.value.status == 403
    assert names.asked == ["site.example"]


async def test_the_address_that_was_checked_is_the_one_that_is_dialled() -> None:
    names = Names()
    names.answers["site.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    async with serving() as site:
        target = f"site.example:{site.port}"
        async with await egress(target, names=names).connect(target):
            assert names.asked == ["site.example"]


@pytest.mark.parametrize(
    ("raw", "target"),
    [(b"Api.Example.ORG:443", "api.example.org:443"), (b"api.example.org.:0443", "api.example.org:443")],
)
def test_a_name_is_compared_in_lower_case_without_a_last_dot(raw: bytes, target: str) -> None:
    assert named(raw) == target


@given(st.binary(max_size=300))
def test_whatever_a_container_asks_for_is_a_name_and_a_port_or_refused(raw: bytes) -> None:
    try:
        target = named(raw)
    except Refused:
        return
    host, _, port = target.rpartition(":")
    assert 0 < int(port) < 65536
    assert host == host.lower()
    assert host.isascii()


NUMBERS = st.one_of(st.integers(0, 4), st.sampled_from([AT_ONCE, 1 << 31, (1 << 32) - 1]))
BODIES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"", b"site.example:80", b"x.example:1", b"\0" * WINDOW, NUMBER.pack(1), NUMBER.pack(1 << 31)]),
)
STEPS = st.tuples(st.sampled_from([b"c", b"d", b"s", b"q", b"w"]), NUMBERS, BODIES)


async def is_bounded(steps: list[Step]) -> None:
    """Whatever comes, it is taken or a broken protocol, and what is kept has its bound."""
    way = egress(policy=Named())
    try:
        async with talking(way) as container:
            for number, step in enumerate(steps):
                container.say(step)
                links = container.relay._links.values()
                assert len(links) <= AT_ONCE
                assert all(len(link.held) <= WINDOW and 0 <= link.credit <= WINDOW for link in links)
                if number % 3 == 2:
                    await anyio.sleep(0)
    except BrokenProtocol:
        return


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=12).map(lambda steps: [OPEN, *steps]))
def test_any_frames_of_connections_are_taken_within_bounds_or_refused(steps: list[Step]) -> None:
    anyio.run(partial(is_bounded, steps))


@pytest.mark.full
@pytest.mark.timeout(900)
@settings(max_examples=20_000, deadline=None)
@given(st.lists(STEPS, max_size=30).map(lambda steps: [OPEN, *steps]))
def test_any_frames_of_connections_are_taken_within_bounds_or_refused_for_long(steps: list[Step]) -> None:
    anyio.run(partial(is_bounded, steps))
