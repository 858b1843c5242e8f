"""Fetching through the guarded transport, from real servers on loopback."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.abc
import pytest
from tests.net.web_site import Loopback, Names, Site, answer, redirect, serving
from tests.quickest import ATTEMPTS, with_pauses

from astro_mcp.config import WebSettings
from astro_mcp.errors import Forbidden, ProviderFailed, TimedOut, TooLarge
from astro_mcp.net.client import GuardedClient


async def test_a_page_comes_with_its_last_url_its_headers_and_every_hop(client: GuardedClient, site: Site) -> None:
    site.replies["/"] = redirect("/page?q=1#part", set_cookie="id=1")
    site.replies["/page?q=1"] = answer(b"hello", content_type="text/plain", x_two="a", X_TWO="b")
    start = f"http://site.example:{site.port}/"
    got = await client.get(start)
    assert (got.status, got.body, got.url) == (200, b"hello", f"{start}page?q=1")
    assert got.headers["content-type"] == "text/plain"
    assert got.headers["x-two"] == "a, b"
    assert got.hops == (start, got.url)


async def test_the_host_header_keeps_the_name_and_no_cookie_comes_back(client: GuardedClient, site: Site) -> None:
    site.replies["/"] = redirect("/two", set_cookie="id=1; Path=/")
    site.replies["/two"] = answer()
    await client.get(f"http://Site.Example.:{site.port}/")
    assert [headers["host"] for _, headers in site.requests] == [f"site.example:{site.port}"] * 2
    assert not any("cookie" in headers for _, headers in site.requests)


async def test_a_proxy_in_the_environment_is_not_used(
    client: GuardedClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.replies["/"] = answer(b"direct")
    assert (await client.get(f"http://site.example:{site.port}/")).body == b"direct"


async def test_the_connection_goes_to_the_address_that_was_checked(
    client: GuardedClient, site: Site, names: Names
) -> None:
    names.answers["site.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    site.replies["/"] = answer(b"first")
    assert (await client.get(f"http://site.example:{site.port}/")).body == b"first"
    assert names.asked == ["site.example"]


async def test_a_name_that_moves_to_a_private_address_is_refused_at_the_next_hop(
    client: GuardedClient, site: Site, names: Names
) -> None:
    names.answers["site.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    site.replies["/"] = redirect("/again")
    site.replies["/again"] = answer(b"never")
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        await client.get(f"http://site.example:{site.port}/")
    assert len(site.requests) == 1


async def test_one_private_address_among_public_ones_refuses_the_name(
    client: GuardedClient, site: Site, names: Names
) -> None:
    names.answers["site.example"] = [["127.0.0.1", "192.168.1.1"]]
    site.replies["/"] = answer(b"never")
    with pytest.raises(Forbidden, match=r"192\.168\.1\.1"):
        await client.get(f"http://site.example:{site.port}/")
    assert not site.requests


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:8080/",
        "http://2130706433/",
        "ftp://site.example/",
        "file:///etc/passwd",
        "http://user:word@site.example/",
        "//0x7f.1/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
async def test_a_redirect_passes_the_same_guard(client: GuardedClient, site: Site, location: str) -> None:
    site.replies["/"] = redirect(location)
    with pytest.raises(Forbidden):
        await client.get(f"http://site.example:{site.port}/")


async def test_five_redirects_are_followed_and_a_sixth_is_not(client: GuardedClient, site: Site) -> None:
    site.replies |= {f"/{n}": redirect(f"/{n + 1}") for n in range(6)}
    site.replies["/6"] = answer(b"end")
    assert (await client.get(f"http://site.example:{site.port}/1")).body == b"end"
    with pytest.raises(ProviderFailed, match="redirects more than 5 times"):
        await client.get(f"http://site.example:{site.port}/0")


async def test_a_key_stays_with_its_origin_even_after_a_way_back(client: GuardedClient, site: Site) -> None:
    site.replies["/"] = redirect(f"http://other.example:{site.port}/there")
    site.replies["/there"] = redirect(f"http://site.example:{site.port}/back")
    site.replies["/back"] = answer()
    await client.get(f"http://site.example:{site.port}/", headers={"Authorization": "k", "X-Key": "k", "Accept": "a/b"})
    seen = [(path, headers.get("authorization"), headers.get("x-key")) for path, headers in site.requests]
    assert seen == [("/", "k", "k"), ("/there", None, None), ("/back", None, None)]
    assert {headers["accept"] for _, headers in site.requests} == {"a/b"}


async def test_a_body_over_its_bound_ends_the_fetch_while_it_still_comes(client: GuardedClient, site: Site) -> None:
    async def endless(stream: anyio.abc.ByteStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x" * 65536)

    site.replies["/"] = endless
    with pytest.raises(TooLarge, match="100,000"):
        await client.get(f"http://site.example:{site.port}/", max_bytes=100_000)
    await site.left.wait()


async def test_a_server_that_drips_is_left_at_the_deadline(client: GuardedClient, site: Site) -> None:
    async def drip(stream: anyio.abc.ByteStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await stream.send(b"x")
            await anyio.sleep(0.02)

    site.replies["/"] = drip
    with pytest.raises(TimedOut, match=r"0\.3 s"):  # the whole answer would come, after 20 s
        await client.get(f"http://site.example:{site.port}/", timeout=0.3)
    await site.left.wait()


async def test_a_name_server_that_is_silent_is_left_at_the_deadline(site: Site) -> None:
    async def silent(host: str) -> list[object]:
        await anyio.sleep_forever()
        return []

    client = GuardedClient(WebSettings(), resolve=silent, policy=Loopback())  # type: ignore[arg-type]  # never answers
    with pytest.raises(TimedOut):
        await client.get("http://site.example/", timeout=0.2)


@pytest.mark.parametrize(
    "reply",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nx",
        b"",
    ],
    ids=["no http", "endless header", "cut off", "two lengths", "nothing"],
)
async def test_a_broken_answer_is_the_providers_failure(client: GuardedClient, site: Site, reply: bytes) -> None:
    site.replies["/"] = reply
    with pytest.raises(ProviderFailed):
        await client.get(f"http://site.example:{site.port}/")


async def test_a_closed_port_and_an_unknown_name_are_the_providers_failure(names: Names, client: GuardedClient) -> None:
    async with serving() as gone:
        port = gone.port
    with pytest.raises(ProviderFailed, match="can't be reached"):
        await client.get(f"http://site.example:{port}/")
    names.answers["gone.example"] = [[]]
    with pytest.raises(ProviderFailed, match="no address"):
        await client.get("http://gone.example/")


async def test_a_cancelled_fetch_leaves_the_server(client: GuardedClient, site: Site) -> None:
    asked = anyio.Event()

    async def wait(stream: anyio.abc.ByteStream) -> None:
        asked.set()
        await stream.receive()

    site.replies["/"] = wait
    async with anyio.create_task_group() as group:
        group.start_soon(client.get, f"http://site.example:{site.port}/")
        await asked.wait()
        group.cancel_scope.cancel()
    with anyio.fail_after(20):
        await site.left.wait()


async def test_the_operators_own_server_opens_its_very_host_and_port_alone(site: Site) -> None:
    client = GuardedClient(WebSettings())
    async with serving() as other:
        site.replies["/"] = answer(b"mine")
        site.replies["/away"] = redirect(f"http://127.0.0.1:{other.port}/")
        site.replies["/cloud"] = redirect("http://169.254.169.254/")
        other.replies["/"] = answer(b"not mine")
        base = f"http://127.0.0.1:{site.port}"
        assert (await client.get(f"{base}/", allow_private=True)).body == b"mine"
        for path in ("/away", "/cloud"):
            with pytest.raises(Forbidden):
                await client.get(f"{base}{path}", allow_private=True)
        with pytest.raises(Forbidden):
            await client.get(f"{base}/")
        assert not other.requests


async def test_a_clouds_metadata_address_stays_closed_to_the_operators_own_server() -> None:
    with pytest.raises(Forbidden, match=r"169\.254\.169\.254"):
        await GuardedClient(WebSettings()).get("http://169.254.169.254/", allow_private=True)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("head", "pieces", "ends"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 10_000, b"0\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n" * 4_000, answer(b"a" * 10_000)),
    ],
    ids=["chunks of a byte", "interim answers"],
)
async def test_an_answer_of_thousands_of_parts_does_not_hold_up_the_event_loop(
    client: GuardedClient, site: Site, head: bytes, pieces: bytes, ends: bytes
) -> None:
    site.replies["/"] = head + pieces + ends
    shares: list[float] = []
    while min(shares, default=1) >= 0.3 and len(shares) < ATTEMPTS:  # a pause of the machine meets one of them
        began = anyio.current_time()
        got, longest = await with_pauses(partial(client.get, f"http://site.example:{site.port}/"))
        shares.append(longest / (anyio.current_time() - began))
        assert got.body == b"a" * 10_000
    assert min(shares) < 0.3


async def test_an_answer_that_only_ever_begins_is_the_providers_failure(client: GuardedClient, site: Site) -> None:
    async def flood(stream: anyio.abc.ByteStream) -> None:
        while True:
            await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    site.replies["/"] = flood
    with pytest.raises(ProviderFailed, match="begins with more than"):
        await client.get(f"http://site.example:{site.port}/")
