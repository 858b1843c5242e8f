"""Who is trusted, and what a request with a key may not do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.net.signed import self_signed
from tests.net.web_site import Loopback, Names, Site, answer, redirect, serving

from astro_mcp.config import WebSettings
from astro_mcp.errors import Forbidden, ProviderFailed
from astro_mcp.net.client import GuardedClient


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "site.pem")


@pytest.fixture
async def secure(certificate: Path) -> AsyncIterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serving(context) as running:
        running.replies["/"] = answer(b"secret")
        yield running


@pytest.fixture
def trusting(names: Names, certificate: Path) -> GuardedClient:
    tls = ssl.create_default_context(cafile=str(certificate))
    return GuardedClient(WebSettings(timeout_seconds=5), resolve=names, policy=Loopback(), tls=tls)


async def test_a_certificate_counts_for_the_name_though_the_connection_goes_to_an_address(
    trusting: GuardedClient, secure: Site
) -> None:
    assert (await trusting.get(f"https://site.example:{secure.port}/")).body == b"secret"


async def test_a_certificate_of_an_unknown_authority_is_refused(client: GuardedClient, secure: Site) -> None:
    with pytest.raises(ProviderFailed, match="can't be trusted") as caught:
        await client.get(f"https://site.example:{secure.port}/")
    assert not caught.value.retryable
    assert not secure.requests


async def test_a_certificate_for_another_name_is_refused(trusting: GuardedClient, secure: Site) -> None:
    with pytest.raises(ProviderFailed, match="can't be trusted"):
        await trusting.get(f"https://other.example:{secure.port}/")
    assert not secure.requests


async def test_a_request_with_a_key_is_not_led_from_https_to_http(
    trusting: GuardedClient, secure: Site, site: Site
) -> None:
    secure.replies["/"] = redirect(f"http://site.example:{site.port}/")
    site.replies["/"] = answer(b"in the clear")
    url = f"https://site.example:{secure.port}/"
    with pytest.raises(Forbidden, match="from https to http"):
        await trusting.get(url, headers={"Authorization": "Bearer k"})
    assert not site.requests
    assert (await trusting.get(url)).body == b"in the clear"
