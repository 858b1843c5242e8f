"""The hosts that the operator named, and a conversation with one repository of one of them.

Git's smart protocol over http (gitprotocol-http(5), version 0) has two requests: the refs, and one exchange. These are
made here and not by git, so that names are resolved once, addresses checked, TLS verified and tokens added as in every
fetch of this server, and nothing else is ever asked of a host.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

import anyio

from astro_mcp.config import GitRemoteSettings
from astro_mcp.errors import (
    AstroError,
    Forbidden,
    InvalidInput,
    LimitHit,
    NotFound,
    ProviderFailed,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unsupported,
)
from astro_mcp.net.addresses import AddressPolicy, Named
from astro_mcp.net.origin import Origin, Streamed, origin
from astro_mcp.net.resolver import Resolver, SystemResolver
from astro_mcp.net.urls import Target, target
from astro_mcp.observe.printable import printable

ADVERTISED: Final = 32 << 20
"""Bytes of the refs of one repository."""
AGENT: Final = "git/2 (astro-mcp)"
"""Some hosts tell git from browsers by how it names itself."""
_CREDENTIALS: Final = re.compile(r"\A(\w+://|).*@", re.DOTALL)
"""What stands before an @: a password may hold any character."""


class Service(StrEnum):
    """What a conversation is for."""

    UPLOAD = "git-upload-pack"
    """They send."""
    RECEIVE = "git-receive-pack"
    """They receive."""


class Hosts:
    """`resolve`, `policy` and `tls` are there for tests; no setting reaches them."""

    def __init__(
        self,
        settings: GitRemoteSettings,
        environment: Mapping[str, str],
        *,
        resolve: Resolver | None = None,
        policy: AddressPolicy | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.settings = settings
        self._hosts = {host.removesuffix(":443") for host in settings.hosts}
        variables = {host.removesuffix(":443"): name for host, name in settings.tokens.items()}
        self._tokens = {host: (name, environment.get(name, "")) for host, name in variables.items()}
        self._resolve = resolve or SystemResolver()
        self._policy = policy or Named()
        self._tls = tls

    def allowed(self, url: str) -> Target:
        """`url` in its canonical form; raises `InvalidInput` where it is no plain https URL of a repository, and
        `Forbidden` where its host is not on the operator's list."""
        if not url.lower().startswith("https://"):
            shown = printable(_CREDENTIALS.sub(r"\1…@", url), 120)
            raise InvalidInput(
                f"{shown!r} is no https URL, and nothing else is spoken", "as https://HOST/OWNER/NAME.git"
            )
        here = _target(url)
        path = here.url.partition("://")[2].partition("/")[2].strip("/")
        if not path or "?" in path or not here.url.isascii():
            raise InvalidInput("a repository's URL has a path and no query", "as https://HOST/OWNER/NAME.git")
        if (name := _name(here)) not in self._hosts:
            raise Forbidden(
                f"{name} is not among the hosts that the operator named",
                f'the operator adds it in config.toml: [git.remote] hosts = ["{name}"]',
            )
        return Target(here.url.rstrip("/"), here.scheme, here.host, here.port)

    @asynccontextmanager
    async def talk(self, here: Target) -> AsyncIterator[Talk]:
        """A conversation with the repository at `here`, which `allowed` gave. Raises `Unauthorized` where the token is
        not set, and `TimedOut` where the block takes longer than the operator allows."""
        key = self._authorization(_name(here))
        seconds = self.settings.timeout_seconds
        try:
            with anyio.fail_after(seconds):
                async with origin(self._policy, self._resolve, self._tls) as opened:
                    yield Talk(opened, here, key, self.settings.transfer_mb << 20)
        except TimeoutError:
            hint = "git.remote.timeout_seconds in config.toml is the operator's bound"
            raise TimedOut(f"{here.host} took longer than {seconds:g} s", hint) from None

    def _authorization(self, name: str) -> str:
        if name not in self._tokens:
            return ""
        variable, token = self._tokens[name]
        if not token.isascii() or not token.isprintable() or not token.strip():
            raise Unauthorized(
                f"{variable}, the token of {name}, is not set", "start the daemon with it, or leave it out"
            )
        pair = token if ":" in token else f"x-access-token:{token}"
        return "Basic " + base64.b64encode(pair.strip().encode()).decode()


class Talk:
    """Requests for one repository. `most` is in bytes, and for each direction."""

    def __init__(self, opened: Origin, here: Target, key: str, most: int) -> None:
        self.here = here
        self._origin = opened
        self._key = key
        self._most = most
        self.received = 0
        self.sent = 0

    async def advertisement(self, service: Service) -> bytes:
        """The refs as the host says them. Raises as `exchange` does, `Unsupported` where it speaks no smart protocol,
        and `LimitHit` over 32 MiB."""
        here = self._at(f"info/refs?service={service}")
        data = bytearray()
        async with self._origin.ask("GET", here, self._headers(service)) as answer:
            self._good(answer)
            if answer.headers.get("content-type", "") != f"application/x-{service}-advertisement":
                raise Unsupported(f"{self.here.host} does not answer as a git host there", "check the address")
            async for chunk in answer.chunks:
                data += chunk
                if len(data) > ADVERTISED:
                    raise LimitHit(f"the host lists more refs than {ADVERTISED >> 20} MiB hold")
        self.received += len(data)
        return bytes(data)

    @asynccontextmanager
    async def exchange(
        self, service: Service, headers: Mapping[str, str], content: AsyncIterator[bytes]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The exchange itself: chunks of the answer to `content`. Raises `Unauthorized`, `NotFound`, `Forbidden` (a
        redirect, an address), `LimitHit`, `RateLimited`, `TimedOut`, `ProviderFailed`."""
        given = {**self._headers(service), **headers, "content-type": f"application/x-{service}-request"}
        async with self._origin.ask("POST", self._at(service), given, self._counted(content)) as answer:
            self._good(answer)
            yield self._received(answer.chunks)

    async def _counted(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in content:
            self.sent += len(chunk)
            self._within(self.sent, "send")
            yield chunk

    async def _received(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self.received += len(chunk)
            self._within(self.received, "receive")
            yield chunk

    def _within(self, count: int, what: str) -> None:
        if count > self._most:
            hint = "git.remote.transfer_mb in config.toml is the operator's bound"
            raise LimitHit(f"one call may {what} {self._most >> 20:,} MiB, and this is more", hint)

    def _at(self, path: str) -> Target:
        return Target(f"{self.here.url}/{path}", self.here.scheme, self.here.host, self.here.port)

    def _headers(self, service: Service) -> dict[str, str]:
        named = {"user-agent": AGENT, "accept": f"application/x-{service}-result, */*", "accept-encoding": "identity"}
        return named | ({"authorization": self._key} if self._key else {})

    def _good(self, answer: Streamed) -> None:
        if answer.status != 200:
            raise self._refused(answer)
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise ProviderFailed(f"{self.here.host} packs its answer, which was not asked for", retryable=False)

    def _refused(self, answer: Streamed) -> AstroError:
        host, status = self.here.host, answer.status
        if 300 <= status < 400:
            to = printable(answer.headers.get("location", ""), 200)
            return Forbidden(
                f"{host} sends on to {to or 'somewhere'}, which is not followed", "name that address instead"
            )
        if status in (401, 403):
            what = "refuses the token" if self._key else "wants a token"
            line = f'[git.remote.tokens] "{_name(self.here)}" = "ASTRO_MCP_TOKEN_…" in config.toml names its variable'
            return Unauthorized(f"{host} {what} for this repository ({status})", line)
        if status in (404, 410):
            hidden = "check the address" if self._key else "check the address; one that is not public needs a token"
            return NotFound(f"{host} has no such repository ({status})", hidden)
        if status == 429:
            return RateLimited(f"{host} was asked too often")
        return ProviderFailed(f"{host} answers with status {status}", retryable=status >= 500)


def _target(url: str) -> Target:
    """As `target`; what a repository's configuration has before an @ is in no error either."""
    try:
        return target(url)
    except InvalidInput:
        if "@" not in url:
            raise
        hint = "leave out what stands before the @"
        raise InvalidInput("a URL with a user name or password in it is refused", hint) from None


def _name(here: Target) -> str:
    return here.host if here.port == 443 else f"{here.host}:{here.port}"
