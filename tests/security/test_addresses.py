"""No URL leads to this machine, its networks or a cloud's metadata, however it is written."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import pytest
from tests.security.connections import connections

from astro_mcp.config import WebSettings
from astro_mcp.errors import Forbidden, InvalidInput
from astro_mcp.net.addresses import Address, OwnNetwork, Public
from astro_mcp.net.client import GuardedClient
from astro_mcp.net.urls import target

# fmt: off
CLOSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:10::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "4000::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
]
OPEN = [
    "1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111",
    "2a00:1450::1", "64:ff9b::8.8.8.8",
]
LINK_LOCAL = ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "ff02::1", "::", "2002:7f00:1::"]
NEIGHBOURS = ["127.0.0.1", "10.1.2.3", "192.168.1.5", "::1", "fd12::1", "::ffff:127.0.0.1", "8.8.8.8"]
# fmt: on
NOT_PLAIN = [
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://1.2.3/",
    "http://256.256.256.256/",
    "http://0/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://[fe80::1%25eth0]/",
    "http://[::ffff:127.0.0.1",
    "http://user@example.com/",
    "http://user:word@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com:0x50/",
    "http://example.com:99999999/",
    "http://exa mple.com/",
    "http://example.com\r\nHost: x/",
    "http://a..b/",
    "http:///path",
    "//example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ftp://example.com/",
    "data:text/html,x",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "example.com",
    "",
    "http://example.com/" + "a" * 5000,
]


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    """Loaded once: that takes longer than a test."""
    return ssl.create_default_context()


@pytest.fixture
def client(tls: ssl.SSLContext) -> GuardedClient:
    return GuardedClient(WebSettings(), tls=tls)


@pytest.fixture(autouse=True)
def unconnected() -> Iterator[None]:
    """Whatever a test of this file asks for, no socket is connected: the name server's alone stands outside."""
    with connections() as seen:
        yield
    assert seen == []


@pytest.mark.parametrize("written", CLOSED)
def test_an_address_that_is_not_public_is_refused(written: str) -> None:
    assert Public().address(ip_address(written))


@pytest.mark.parametrize("written", OPEN)
def test_a_public_address_is_not_refused(written: str) -> None:
    assert not Public().address(ip_address(written))


@pytest.mark.parametrize("written", LINK_LOCAL)
def test_the_operators_own_network_has_no_link_local_and_no_multicast(written: str) -> None:
    assert OwnNetwork().address(ip_address(written))


@pytest.mark.parametrize("written", NEIGHBOURS)
def test_the_operators_own_network_has_this_machine_and_its_neighbours(written: str) -> None:
    assert not OwnNetwork().address(ip_address(written))


@pytest.mark.parametrize("url", NOT_PLAIN)
def test_a_url_that_is_not_plain_is_refused_before_any_look_up(url: str) -> None:
    with pytest.raises(InvalidInput):
        target(url)


@pytest.mark.parametrize("written", CLOSED)
async def test_a_url_with_that_address_is_forbidden_without_a_connection(client: GuardedClient, written: str) -> None:
    host = f"[{written}]" if ":" in written else written
    with pytest.raises(Forbidden):
        await client.get(f"http://{host}/")


@pytest.mark.parametrize("written", CLOSED)
async def test_a_name_that_leads_there_is_forbidden_without_a_connection(tls: ssl.SSLContext, written: str) -> None:
    async def resolve(host: str) -> Sequence[Address]:
        return [ip_address("8.8.8.8"), ip_address(written)]

    with pytest.raises(Forbidden):
        await GuardedClient(WebSettings(), resolve=resolve, tls=tls).get("https://public.example/")


@pytest.mark.parametrize("url", ["http://localhost/", "http://LOCALHOST./", "https://localhost:8443/"])
async def test_localhost_is_forbidden_by_the_machines_own_resolver(client: GuardedClient, url: str) -> None:
    with pytest.raises(Forbidden):
        await client.get(url)


@pytest.mark.parametrize("port", [0, 22, 25, 2375, 3306, 5432, 6379, 9200, 11211])
async def test_a_port_where_no_web_server_listens_is_refused(client: GuardedClient, port: int) -> None:
    with pytest.raises((Forbidden, InvalidInput)):
        await client.get(f"http://8.8.8.8:{port}/")
