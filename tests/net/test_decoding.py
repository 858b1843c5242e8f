"""What servers pack, unpacked within bounds."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib

import pytest
from tests.net.web_site import Site, answer
from tests.quickest import computed

from astro_mcp.errors import ProviderFailed, TooLarge, Unsupported
from astro_mcp.net.client import GuardedClient
from astro_mcp.net.decoding import PARTS, Body

TEXT = b"a line of text, and another\n" * 4000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT)), ("deflate", raw_deflate(TEXT)), ("", TEXT)],
    ids=["gzip", "zlib", "raw deflate", "identity"],
)
async def test_each_encoding_that_is_asked_for_is_unpacked(
    client: GuardedClient, site: Site, encoding: str, packed: bytes
) -> None:
    site.replies["/"] = answer(packed, content_encoding=encoding)
    assert (await client.get(f"http://site.example:{site.port}/")).body == TEXT
    assert site.requests[0][1]["accept-encoding"] == "gzip, deflate"


async def test_a_decompression_bomb_is_refused_at_a_fraction_of_its_size(client: GuardedClient, site: Site) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < 200_000
    site.replies["/"] = answer(bomb, content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="bomb"):
            await client.get(f"http://site.example:{site.port}/", max_bytes=100_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000


async def test_the_bound_counts_what_is_unpacked(client: GuardedClient, site: Site) -> None:
    site.replies["/"] = answer(gzip.compress(TEXT), content_encoding="gzip")
    with pytest.raises(TooLarge, match="50,000 bytes"):
        await client.get(f"http://site.example:{site.port}/", max_bytes=50_000)


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize("tail", [b"", b"\0" * 100, b"no member"], ids=["nothing", "padding", "something else"])
def test_every_member_of_a_gzip_body_is_unpacked(step: int, tail: bytes) -> None:
    packed = gzip.compress(b"first half, ") + gzip.compress(b"") + gzip.compress(b"second half") + tail
    body = Body("gzip", 10_000)
    for start in range(0, len(packed), step):
        body.feed(packed[start : start + step])
    assert body.finish() == b"first half, second half"


def test_a_member_that_breaks_off_is_the_providers_failure() -> None:
    body = Body("gzip", 10_000)
    body.feed(gzip.compress(b"first half, ") + gzip.compress(b"second half")[:-9])
    with pytest.raises(ProviderFailed):
        body.finish()


def test_members_share_the_bounds_of_one_body() -> None:
    with pytest.raises(TooLarge, match="50,000 bytes"):
        Body("gzip", 50_000).feed(gzip.compress(bytes(10_000)) * 6)
    with pytest.raises(TooLarge, match="bomb"):
        Body("gzip", 100_000_000).feed(gzip.compress(bytes(1_000_000), 9) * 60)


def test_ten_thousand_members_are_refused_before_they_take_time() -> None:
    packed = gzip.compress(b"") * 12_500

    def feed() -> None:
        with pytest.raises(TooLarge, match="10,000"):
            Body("gzip", 5_000_000).feed(packed)

    computed(1, feed)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
async def test_an_encoding_that_was_not_asked_for_is_refused(client: GuardedClient, site: Site, encoding: str) -> None:
    site.replies["/"] = answer(b"?", content_encoding=encoding)
    with pytest.raises(Unsupported):
        await client.get(f"http://site.example:{site.port}/")


@pytest.mark.parametrize("body", [gzip.compress(TEXT)[:-20], b"no gzip at all"], ids=["cut off", "damaged"])
async def test_a_damaged_body_is_the_providers_failure(client: GuardedClient, site: Site, body: bytes) -> None:
    site.replies["/"] = answer(body, content_encoding="gzip")
    with pytest.raises(ProviderFailed):
        await client.get(f"http://site.example:{site.port}/")


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 << 18])
@pytest.mark.parametrize("step", [1000, 70_000])
def test_a_body_is_whole_whatever_the_pieces(size: int, step: int) -> None:
    data = os.urandom(size // 2) + bytes(size - size // 2)
    packed = gzip.compress(data)
    body = Body("gzip", 10_000_000)
    for start in range(0, len(packed), step):
        body.feed(packed[start : start + step])
    assert body.finish() == data


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_of_parts_that_hold_next_to_nothing_is_not_taken_to_its_end(encoding: str) -> None:
    packed = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    body, data = Body(encoding, 5_000_000), packed.compress(os.urandom(60_000)) + packed.flush()
    for place in range(PARTS):
        body.feed(data[place : place + 1])
    with pytest.raises(TooLarge, match="20,000 parts"):
        body.feed(b"x")


def test_a_body_of_many_short_lines_is_taken() -> None:
    body = Body("", 5_000_000)
    for _ in range(60_000):
        body.feed(b"a line of some words\n")
    assert len(body.finish()) == 60_000 * 21
