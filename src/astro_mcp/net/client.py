"""One way out: GET and POST over http and https, within bounds of address, size and time.

httpcore, the engine of httpx, is used without the client on top of it: that one keeps cookies, unpacks without
bounds and takes proxies from the environment. A proxy would resolve names itself, past every check made here, so none
is used, whatever the environment says.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from astro_mcp.config import WebSettings
from astro_mcp.errors import Forbidden, InvalidInput, ProviderFailed, TimedOut
from astro_mcp.net.addresses import AddressPolicy, OwnNetwork, Public
from astro_mcp.net.decoding import ACCEPTED, Body
from astro_mcp.net.resolver import Resolver, SystemResolver
from astro_mcp.net.trust import trust
from astro_mcp.net.urls import Target, target

if TYPE_CHECKING:
    import httpcore

HOPS: Final = 5
"""Redirects followed."""
CONNECT_SECONDS: Final = 5.0
SHOWN: Final = 200
"""Characters of a reason."""
TURN: Final = 64
"""Chunks of a body after which others have a turn; each may be a byte, and thousands come in one packet."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HARMLESS: Final = frozenset({"accept", "accept-language"})
"""Headers that may go to another origin."""
_CONDITIONS: Final = frozenset({"if-none-match", "if-modified-since"})
"""What only its own origin is told, and is no credential; every other header could be one."""
_VALUE: Final = re.compile(r"([!-~]([ -~\t]*[!-~])?)?")

Permit = Callable[[Target], Awaitable[None]]
"""`await permit(target)`: raises where a URL is not to be asked for."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back: `url` is where from in the end, `hops` every URL asked, `headers` has lower-case names."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    hops: tuple[str, ...]


class TooManyRedirects(ProviderFailed):
    """An address redirects, and where it leads again, and so on."""


class GuardedClient:
    """Fetches what is on the public internet. `resolve`, `policy` and `tls` are there for tests; no setting reaches
    them."""

    def __init__(
        self,
        settings: WebSettings,
        *,
        resolve: Resolver | None = None,
        policy: AddressPolicy | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._resolve = resolve or SystemResolver()
        self._policy = policy or Public()
        self._tls = tls

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline spans every redirect, and is told in the error
        allow_private: bool = False,
        permit: Permit | None = None,
    ) -> Fetched:
        """Fetch `url`, following at most five redirects. `max_bytes` counts after unpacking, `timeout` is in seconds
        and for all of it; both default to the settings. `allow_private` opens the very host and port of `url`, and
        nothing that it redirects to. `headers` beyond the harmless ones stay with the origin of `url`.
        `permit` is asked before each request, and raises to forbid it.

        Raises `InvalidInput` (not a plain URL, or a header that can't be sent), `Forbidden` (address, port or downgrade
        refused), `TooLarge`, `TimedOut`, `ProviderFailed` (unreachable, not trusted, broken), `Unsupported` (an
        encoding not asked for).
        """
        first = target(url)
        seconds = self._settings.timeout_seconds if timeout is None else timeout
        try:
            with anyio.fail_after(seconds):
                async with await self._pool(first if allow_private else None) as pool:
                    most = max_bytes or self._settings.page_bytes
                    return await self._follow(pool, first, headers or {}, most, permit)
        except TimeoutError:
            raise TimedOut(f"{first.host} took longer than {seconds:g} s") from None

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        max_bytes: int,
        timeout: float,  # noqa: ASYNC109 - as above
        allow_private: bool = False,
    ) -> Fetched:
        """Send `body` to `url` and to nowhere else: no redirect is followed. The rest is as with `get`, but that plain
        http goes only where `allow_private` opens: headers and body are secrets.

        Raises what `get` does."""
        first = target(url)
        if first.scheme == "http" and not allow_private:
            raise Forbidden(
                f"{first.host} would be sent this in the clear", "use https, or a machine of your own network"
            )
        try:
            with anyio.fail_after(timeout):
                async with await self._pool(first if allow_private else None) as pool:
                    answer = await self._ask(pool, first, headers, max_bytes, body)
        except TimeoutError:
            raise TimedOut(f"{first.host} took longer than {timeout:g} s") from None
        if not isinstance(answer, Fetched):
            raise ProviderFailed(f"{first.host} redirects to another address", "set that one", retryable=False)
        return answer

    async def _pool(self, exempt: Target | None) -> httpcore.AsyncConnectionPool:
        """Connections for one fetch: none is left that a later fetch under another rule could reuse."""
        import httpcore  # noqa: PLC0415 - loaded at the first fetch, and not at the daemon's start

        from astro_mcp.net.backend import PinnedBackend  # noqa: PLC0415 - as above

        def policy_of(host: str, port: int) -> AddressPolicy:
            own = exempt is not None and (host, port) == (exempt.host, exempt.port)
            return OwnNetwork() if own else self._policy

        if self._tls is None:
            self._tls = await anyio.to_thread.run_sync(trust)
        return httpcore.AsyncConnectionPool(
            ssl_context=self._tls, network_backend=PinnedBackend(self._resolve, policy_of)
        )

    async def _follow(
        self,
        pool: httpcore.AsyncConnectionPool,
        first: Target,
        headers: Mapping[str, str],
        most: int,
        permit: Permit | None,
    ) -> Fetched:
        here, hops = first, [first.url]
        keyed = not (_HARMLESS | _CONDITIONS).issuperset(name.lower() for name in headers)
        while True:
            if permit is not None:
                await permit(here)
            answer = await self._ask(pool, here, headers, most)
            if isinstance(answer, Fetched):
                return Fetched(answer.url, answer.status, answer.headers, answer.body, tuple(hops))
            if len(hops) > HOPS:
                raise TooManyRedirects(f"{first.host} redirects more than {HOPS} times", retryable=False)
            following = _next(here, answer)
            if keyed and here.scheme == "https" and following.scheme == "http":
                raise Forbidden(f"{here.host} redirects a request with a key from https to http")
            if following.origin != first.origin:
                keyed, headers = False, _harmless(headers)  # for good: a way back could be the other site's doing
            here = following
            hops.append(here.url)

    async def _ask(
        self,
        pool: httpcore.AsyncConnectionPool,
        here: Target,
        headers: Mapping[str, str],
        most: int,
        content: bytes | None = None,
    ) -> Fetched | str:
        """One request, with `content` a POST: what came back, or where it redirects."""
        import httpcore  # noqa: PLC0415 - as above

        own = {"user-agent": self._settings.user_agent, "accept-encoding": ACCEPTED, "accept": "*/*"}
        sent = own | {name.lower(): value for name, value in headers.items()}
        for name, value in sent.items():
            if not sendable(value):
                raise InvalidInput(f"the header {name} can't be sent", "its value, or key, has to be printable ASCII")
        limits = {"timeout": {"connect": CONNECT_SECONDS}}
        try:
            method = "GET" if content is None else "POST"
            request = pool.stream(method, here.url, headers=list(sent.items()), content=content, extensions=limits)
            async with request as response:
                begun(response)
                got = _headers(response.headers)
                if response.status in _REDIRECTS and got.get("location"):
                    return got["location"]
                body = Body(got.get("content-encoding", ""), most)
                number = 0
                async for chunk in response.aiter_stream():
                    body.feed(chunk)
                    number += 1
                    if number % TURN == 0:
                        await anyio.lowlevel.checkpoint()
                return Fetched(here.url, response.status, got, body.finish(), ())
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise unreachable(here, error) from None


def begun(response: httpcore.Response) -> None:
    """Its head is read: what comes now is the body."""
    from astro_mcp.net.pacing import Paced  # noqa: PLC0415 - brings httpcore

    stream = response.extensions.get("network_stream")
    if isinstance(stream, Paced):
        stream.begun()


def sendable(value: str) -> bool:
    """Whether a header can have this value; what it says is not told to anybody where it can't: it may be a key."""
    return _VALUE.fullmatch(value) is not None


def _harmless(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def _next(here: Target, location: str) -> Target:
    try:
        return target(location, here.url)
    except InvalidInput as error:
        raise Forbidden(f"{here.host} redirects to what is refused: {error.message}", error.hint) from None


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    out: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), _text(value)
        out[key] = f"{out[key]}, {text}" if key in out else text
    return out


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def unreachable(here: Target, error: Exception) -> ProviderFailed:
    """What httpcore's `error` is to a caller."""
    cause = error.args[0] if error.args else None  # httpcore wraps what the network raised
    if isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "verify_message", "") or cause.reason or "the handshake failed"
        return ProviderFailed(f"{here.host} can't be trusted: {reason}", "check the address", retryable=False)
    reason = str(error).partition(": bytearray(")[0]  # behind it h11 gives whole lines of what the server sent
    return ProviderFailed(f"{here.host}:{here.port} can't be reached: {reason[:SHOWN] or type(error).__name__}")
