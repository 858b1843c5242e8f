"""A site of one's own, names, and a client that takes loopback for the internet."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest
from tests.net.web_site import Loopback, Names, Site, serving

from astro_mcp.config import WebSettings
from astro_mcp.net.client import GuardedClient


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        yield running


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture(scope="session")
def authorities() -> ssl.SSLContext:
    """Those of the system, loaded once: that takes longer than a test."""
    return ssl.create_default_context()


@pytest.fixture
def client(names: Names, authorities: ssl.SSLContext) -> GuardedClient:
    return GuardedClient(WebSettings(timeout_seconds=5), resolve=names, policy=Loopback(), tls=authorities)
