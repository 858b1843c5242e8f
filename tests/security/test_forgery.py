"""No URL makes this machine connect to itself, its networks or a cloud's metadata: seen by a trap that listens, and by
the interpreter, which tells of every connection."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext

import pytest
from tests.net.name_server import NameServer, name_server
from tests.net.web_site import Loopback, Names, Site, answer, redirect, serving
from tests.security.connections import connections
from tests.security.test_addresses import CLOSED, NOT_PLAIN

from astro_mcp.config import WebSettings
from astro_mcp.errors import Forbidden, InvalidInput
from astro_mcp.net.addresses import Named
from astro_mcp.net.client import GuardedClient

# fmt: off
SPELLED = [
    "http://127.0.0.1:{port}/", "http://127.0.0.1.:{port}/", "http://localhost:{port}/", "http://LocalHost.:{port}/",
    "http://0.0.0.0:{port}/", "http://[::1]:{port}/", "http://[::]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/", "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://127.1:{port}/", "http://127.0.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/", "http://0177.0.0.1:{port}/", "http://017700000001:{port}/", "http://127.0.0.01:{port}/",
    "http://00127.0.0.1:{port}/",
    "http://\uff11\uff12\uff17.0.0.1:{port}/", "http://127\u30020\u30020\u30021:{port}/", "http://\u246027.0.0.1:{port}/",

    "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{port}/",
    "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/", "http://loc\u00adalhost:{port}/",
    "http://a@127.0.0.1:{port}/", "http://a:b@localhost:{port}/", "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.com/", "http://127.0.0.1:{port}?@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\", "http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/", "http://127.0.0.1\t:{port}/", "http://127.0.0.1:{port}/\r\nHost: x",
    "HTTP://127.0.0.1:{port}/",
    "file://127.0.0.1:{port}/etc/passwd", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/", "ldap://127.0.0.1:{port}/", "tftp://127.0.0.1:{port}/", "data:text/plain,x",
    "jar:http://127.0.0.1:{port}!/", "netdoc:///etc/passwd", "javascript:alert(1)",
    "view-source:http://127.0.0.1:{port}/",
    "https://localhost:{port}/", "https://[::1]:{port}/", "http://[fe80::1%25lo]:{port}/", "http://[::127.0.0.1]:{port}/",
]
# fmt: on


class Watched:
    """A listener on every address of this machine, IPv4 and IPv6; nobody is to come."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self._socket.settimeout(0)
        self.port: int = self._socket.getsockname()[1]

    def came(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def trap() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.close()


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        yield running


@pytest.fixture
def zone() -> Iterator[NameServer]:
    with name_server() as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0"])
def test_the_trap_springs(trap: Watched, host: str) -> None:
    with connections() as seen, socket.create_connection((host, trap.port), timeout=2):
        assert trap.came()
    assert seen


@pytest.mark.parametrize("url", [*SPELLED, *(url for url in NOT_PLAIN if len(url) < 100)])
async def test_no_spelling_of_this_machine_is_connected_to(trap: Watched, tls: ssl.SSLContext, url: str) -> None:
    client = GuardedClient(WebSettings(), policy=Named(), tls=tls)
    with connections() as seen, pytest.raises((Forbidden, InvalidInput)):
        await client.get(url.replace("{port}", str(trap.port)))
    assert not trap.came()
    assert seen == []


@pytest.mark.parametrize("address", CLOSED)
async def test_no_redirect_leads_to_an_address_that_is_not_public(
    site: Site, tls: ssl.SSLContext, address: str
) -> None:
    host = f"[{address}]" if ":" in address else address
    if address == "127.0.0.1":
        host = "127.0.0.2"  # the site itself stands for the internet
    site.replies["/"] = redirect(f"http://{host}:8080/")
    client = GuardedClient(WebSettings(timeout_seconds=5), resolve=Names(), policy=Loopback(), tls=tls)
    with connections() as seen, pytest.raises(Forbidden):
        await client.get(f"http://site.example:{site.port}/")
    assert len(seen) == 1, "only the site itself"


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://x.example/", "ftp://x.example/", "data:text/html,x"]
)
async def test_no_redirect_leads_to_another_scheme(site: Site, tls: ssl.SSLContext, location: str) -> None:
    site.replies["/"] = redirect(location)
    client = GuardedClient(WebSettings(timeout_seconds=5), resolve=Names(), policy=Loopback(), tls=tls)
    with connections() as seen, pytest.raises(Forbidden):
        await client.get(f"http://site.example:{site.port}/")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("answers", "reached"),
    [
        ([["127.0.0.1"], ["127.0.0.2"]], True),
        ([["127.0.0.2"], ["127.0.0.1"]], False),
        ([["127.0.0.1", "127.0.0.2"]], False),
        ([["127.0.0.1", "::1"]], False),
        ([["127.0.0.1", "::ffff:127.0.0.2"]], False),
        ([["127.0.0.1", "2002:7f00:2::1"]], False),
        ([["127.0.0.1", "169.254.169.254"]], False),
    ],
)
async def test_a_name_that_is_rebound_is_never_followed_to_another_address(
    zone: NameServer, site: Site, tls: ssl.SSLContext, answers: list[list[str]], reached: bool
) -> None:
    zone.answers["rebind.example"] = answers
    site.replies["/"] = answer(b"public")
    client = GuardedClient(WebSettings(timeout_seconds=5), resolve=zone.resolve, policy=Loopback(), tls=tls)
    with connections() as seen, nullcontext() if reached else pytest.raises(Forbidden):
        await client.get(f"http://rebind.example:{site.port}/")
    assert zone.asked == ["rebind.example"], "one look-up for a connection, and none to check it"
    tcp = [one for one in seen if str(zone.port) not in one]
    assert tcp == ([repr(("127.0.0.1", site.port))] if reached else [])


async def test_a_name_that_is_rebound_between_two_hops_is_refused_at_the_second(
    zone: NameServer, site: Site, tls: ssl.SSLContext
) -> None:
    zone.answers["rebind.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    site.replies["/"] = redirect("/again")
    client = GuardedClient(WebSettings(timeout_seconds=5), resolve=zone.resolve, policy=Loopback(), tls=tls)
    with pytest.raises(Forbidden, match=r"127\.0\.0\.2"):
        await client.get(f"http://rebind.example:{site.port}/")
    assert [path for path, _ in site.requests] == ["/"]
    assert zone.asked == ["rebind.example"] * 2


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
async def test_no_proxy_of_the_environment_is_used(
    trap: Watched, site: Site, tls: ssl.SSLContext, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    site.replies["/"] = answer(b"public")
    client = GuardedClient(WebSettings(timeout_seconds=5), resolve=Names(), policy=Loopback(), tls=tls)
    assert (await client.get(f"http://site.example:{site.port}/")).body == b"public"
    assert not trap.came()
