"""The Docker engine: found, checked and spoken to. Small questions go over its socket directly, which takes
milliseconds; the SDK, half a second of imports, is loaded with the first container.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import ByteStream

from astro_mcp.errors import ProviderFailed, SandboxUnavailable
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox import hints
from astro_mcp.sandbox.address import Address, candidates, context

T = TypeVar("T")
OLDEST_API: Final = (1, 40)
ANSWER_SECONDS: Final = 3.0
CALL_SECONDS: Final = 60
LARGEST_ANSWER: Final = 1 << 20


class Engine:
    """One engine that answered. The SDK's calls run in worker threads, at most eight at once. `runtime` is the one
    that its containers get, or empty for its default. `podman`: it is Podman, which speaks the same API."""

    def __init__(self, address: Address, api_version: str, *, podman: bool = False) -> None:
        self.address = address
        self.api_version = api_version
        self.podman = podman
        self.runtime = ""
        self._limiter = anyio.CapacityLimiter(8)
        self._client: Any = None
        self._making = threading.Lock()

    @classmethod
    async def find(cls, setting: str, home: Path) -> Engine:
        """The first engine that answers; raises `SandboxUnavailable` in milliseconds where there is none."""

        async def checked(address: Address) -> Engine:
            version, podman = await _version(address)
            return cls(address, version, podman=podman)

        return await _first(setting, home, checked)

    async def image(self, name: str) -> dict[str, Any] | None:
        """What the engine tells of an image, or None where it has none of that name."""
        status, body = await get(self.address, f"/images/{name}/json")
        if status == 404:
            return None
        if status != 200 or not isinstance(body, dict):
            raise ProviderFailed(f"the Docker engine answered {status} about an image", hints.LOOK)
        return body

    async def call(self, ask: Callable[[Any], T]) -> T:
        """`ask(docker.APIClient)` in a worker thread; engine errors become typed ones.

        The thread is waited for even under cancellation: a container that was being made is known, and taken away.
        """
        return await anyio.to_thread.run_sync(self.call_blocking, ask, limiter=self._limiter)

    def call_blocking(self, ask: Callable[[Any], T]) -> T:
        """The same, in the caller's own thread."""
        import docker  # noqa: PLC0415 - half a second, paid by the first container and not by the daemon's start
        import requests  # noqa: PLC0415 - the SDK's transport, whose errors come through

        try:
            with self._making:  # one that another thread's replaced would keep its connection
                if self._client is None:
                    self._client = docker.APIClient(self.address.url, version=self.api_version, timeout=CALL_SECONDS)
            return ask(self._client)
        except docker.errors.NotFound as error:
            raise EngineNotFound(_said(error), hints.LOOK) from None
        except docker.errors.APIError as error:
            raise EngineRefused(_said(error), hints.LOOK) from None
        except requests.exceptions.Timeout:
            raise ProviderFailed("the Docker engine did not answer in time", hints.start_line()) from None
        except (requests.exceptions.RequestException, docker.errors.DockerException) as error:
            raise gone(_said(error)) from None

    async def attach(self, container: str) -> tuple[ByteStream, bytes]:
        """Both ways to PID 1 (Docker Engine API, "Attach to a container"), and bytes read beyond the answer's head."""
        try:
            stream = await _connect(self.address)
        except SandboxUnavailable as error:
            raise gone(error.message) from None
        path = f"/v{self.api_version}/containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
        )
        try:
            with anyio.fail_after(ANSWER_SECONDS * 3):
                await stream.send(head.encode())
                status, rest = await _head(stream)
        except (OSError, ValueError, anyio.EndOfStream, anyio.BrokenResourceError):
            await anyio.aclose_forcefully(stream)
            raise ProviderFailed("the Docker engine did not attach", hints.LOOK) from None
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise
        if status not in (101, 200):
            await anyio.aclose_forcefully(stream)
            raise ProviderFailed(f"the Docker engine answered {status} when attaching: {_told(rest)}", hints.LOOK)
        return stream, rest

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


class EngineRefused(ProviderFailed):
    """The Docker engine refused."""


class EngineNotFound(EngineRefused):
    """The Docker engine has no such thing."""


class _NoSocket(SandboxUnavailable):
    """There is nothing where an engine would be."""


def gone(said: str) -> SandboxUnavailable:
    """An engine that was there before: it may be there again."""
    return SandboxUnavailable(f"the Docker engine went away: {said}", hints.start_line(), retryable=True)


async def get(address: Address, path: str) -> tuple[int, Any]:
    """Status and JSON body of one small question; raises `SandboxUnavailable` where nobody answers."""
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            stream = await _connect(address)
            async with stream:
                await stream.send(f"GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
                status, body = await _head(stream)
                while len(body) <= LARGEST_ANSWER:
                    try:
                        body += await stream.receive()
                    except anyio.EndOfStream:
                        break
        return status, json.loads(body or b"null")
    except TimeoutError:
        raise SandboxUnavailable(f"the Docker engine at {address.url} does not answer", hints.start_line()) from None
    except (OSError, ValueError, anyio.EndOfStream, anyio.BrokenResourceError):
        raise SandboxUnavailable(f"what listens at {address.url} is no Docker engine", hints.install_line()) from None


async def answering(setting: str, home: Path) -> Address:
    """Where some engine answers, whatever its version; raises `SandboxUnavailable`."""

    async def asked(address: Address) -> Address:
        await get(address, "/version")
        return address

    return await _first(setting, home, asked)


async def _first(setting: str, home: Path, check: Callable[[Address], Awaitable[T]]) -> T:
    problems: list[SandboxUnavailable] = []
    for address in candidates(setting, home):
        try:
            return await check(address)
        except SandboxUnavailable as error:
            problems.append(error)
    if setting and isinstance(problems[-1], _NoSocket):
        raise SandboxUnavailable(f"there is no Docker engine at {printable(setting, 200)}", hints.SETTING)
    if not setting and (chosen := context(home)):
        chosen.address()  # raises what is wrong with it
        raise problems[0]
    raise problems[-1]


async def _version(address: Address) -> tuple[str, bool]:
    """The API's version, and whether it is Podman's."""
    status, body = await get(address, "/version")
    body = body if isinstance(body, dict) else {}
    version = str(body.get("ApiVersion", ""))
    numbers = version.split(".")
    if status != 200 or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        raise SandboxUnavailable(f"what listens at {address.url} is no Docker engine", hints.install_line())
    if (int(numbers[0]), int(numbers[1])) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        raise SandboxUnavailable(f"the Docker engine speaks API {version}; {oldest} is needed", hints.install_line())
    parts = body.get("Components")
    names = [part.get("Name") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return version, "Podman Engine" in names


async def _connect(address: Address) -> ByteStream:
    try:
        with anyio.fail_after(ANSWER_SECONDS):
            if address.path:
                return await anyio.connect_unix(address.path)
            return await anyio.connect_tcp(address.host, address.port)
    except FileNotFoundError:
        raise _NoSocket("there is no Docker engine on this machine", hints.install_line()) from None
    except PermissionError:
        raise SandboxUnavailable(f"{address.url} does not let this user in", hints.permission_line()) from None
    except TimeoutError:
        raise SandboxUnavailable(f"the Docker engine at {address.url} does not answer", hints.start_line()) from None
    except OSError:
        raise SandboxUnavailable(f"the Docker engine at {address.url} is not running", hints.start_line()) from None


async def _head(stream: ByteStream) -> tuple[int, bytes]:
    """Status of an HTTP answer and what came of its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > 1 << 16:
            raise ValueError("a head without an end")
        data += await stream.receive()
    head, rest = data.split(b"\r\n\r\n", 1)
    words = head.split(b" ", 2)
    if len(words) < 2 or not head.startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("no HTTP answer")
    return int(words[1]), rest


def _told(body: bytes) -> str:
    """The engine's own words in what came of an answer's body."""
    try:
        text = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        text = body.decode(errors="replace")
    return printable(text)[:300]


def _said(error: Exception) -> str:
    text = getattr(error, "explanation", None) or str(error)
    return str(text)[:300]
