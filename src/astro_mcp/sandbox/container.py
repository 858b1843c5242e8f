"""One container: made, attached to, started, spoken to, and gone at the end, whatever happens."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import anyio
from anyio.abc import ByteStream, SocketAttribute

from astro_mcp.errors import ProviderFailed
from astro_mcp.sandbox import hints, outside
from astro_mcp.sandbox.answer import Answer
from astro_mcp.sandbox.egress import AT_ONCE, IN_ALL, Egress
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.frames import (
    COLLECT_BYTES,
    COLLECT_FILES,
    RELAYED,
    WINDOW,
    BrokenProtocol,
    Demux,
    Parser,
    decode_json,
    encode,
    encode_file,
)
from astro_mcp.sandbox.job import PROGRAMS, Job
from astro_mcp.sandbox.relay import Relay
from astro_mcp.sandbox.removal import end
from astro_mcp.sandbox.runtimes import NAMES

log = logging.getLogger(__name__)

READY_SECONDS: Final = 30.0
GRACE_SECONDS: Final = 20.0
SMALL: Final = 1 << 17
"""Bytes that are gathered into one send: each is a walk through the engine."""
ENVIRONMENT: Final = {
    "PATH": PROGRAMS,
    "HOME": "/tmp",  # noqa: S108 - a tmpfs inside of the container
    "TMPDIR": "/tmp",  # noqa: S108 - the same
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}


class Container:
    """Single use: `async with`, then `ready()`, then `carry_out(job)`; or `start()` first, and `async with` later.

    `prepare(api, name)` is called in a worker thread, after it was made and before it starts. Leaving after an answer
    hands its removal to `reaper`; leaving in any other way waits until it is dead.
    """

    def __init__(
        self,
        engine: Engine,
        config: Mapping[str, Any],
        reaper: ThreadPoolExecutor,
        prepare: Callable[[Any, str], None] | None = None,
    ) -> None:
        self._engine = engine
        self._config = config
        self._reaper = reaper
        self._prepare = prepare
        self._demux = Demux()
        self._parser = Parser()
        self._stream: ByteStream | None = None
        self._early = b""
        self._clean = False
        self._exists = False
        self.facts: dict[str, Any] = {}
        self.name = f"astro-mcp-{uuid4().hex}"

    async def __aenter__(self) -> Self:
        """Make and start it, where `start` has not been called before."""
        if self._stream is None:
            await self.start()
        return self

    async def start(self) -> None:
        """Make, attach, start. Whoever calls this hands it to `async with`, or to `discard`."""
        try:
            await self._engine.call(self._make)
            self._stream, self._early = await self._engine.attach(self.name)
            await self._engine.call(lambda api: api.start(self.name))
        except BaseException:
            await self._leave()
            raise

    def _make(self, api: Any) -> None:
        self._exists = True  # by its name, even where the engine's answer never comes
        api.create_container_from_config(dict(self._config), self.name)
        if self._prepare is not None:
            self._prepare(api, self.name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    def alive(self) -> bool:
        """Whether its other end is still there, as far as can be told without waiting."""
        if self._stream is None:
            return False
        raw = self._stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's typed attributes, not SQL
        try:
            with raw.dup() as own:  # over TCP the event loop owns the socket, and lets nobody else read from it
                return bool(own.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    async def discard(self) -> None:
        """End it unused; its removal goes on behind the caller."""
        self._clean = True
        await self._leave()

    async def ready(self) -> dict[str, Any]:
        """What PID 1 found to hold, in its own words; raises `ProviderFailed` where it never says so."""
        try:
            with anyio.fail_after(READY_SECONDS):
                while True:
                    for frame in self._parser.feed(await self._receive()):
                        if frame.kind != b"R":
                            raise BrokenProtocol(hint="the first frame is not R")
                        self.facts = decode_json(frame.payload) | {"outside": await self._outside()}
                        return self.facts
        except (TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
            said = self._demux.complaint.decode(errors="replace")[-500:]
            raise ProviderFailed("the sandbox did not start", said or hints.LOOK, retryable=True) from None

    async def _outside(self) -> dict[str, float] | None:
        """What PID 1 can't see below gVisor; None where it sees for itself."""
        if self._engine.runtime not in NAMES["runsc"]:
            return None
        return await self._engine.call(lambda api: outside.limits(api, self.name))

    async def carry_out(self, job: Job, output_bytes: int, egress: Egress | None = None) -> Answer:
        """Send the request, take the answer. With the deadline over, or PID 1 gone, `Answer.end` is None. What `egress`
        allows may be reached."""
        answer = Answer(output_bytes)
        relay = Relay(egress, self._send, self.name, job.upload) if egress else None
        with anyio.move_on_after(job.timeout + GRACE_SECONDS) as scope:
            try:
                await self._request(job, output_bytes, egress is not None)
                async with relay.running() if relay else nullcontext():
                    await self._take(job, answer, relay)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
        if relay:
            answer.traffic = relay.traffic()
            answer.limits |= {"network"} if relay.over else set()
        if scope.cancelled_caught:
            answer.limits.add("timeout")
        self._clean = answer.end is not None
        return answer

    async def _request(self, job: Job, output_bytes: int, egress: bool) -> None:
        head = {
            "argv": job.argv,
            "build": job.build,
            "script": job.script,
            "session": job.session,
            "env": {**ENVIRONMENT, **job.env},
            "timeout": job.timeout,
            "output_bytes": output_bytes,
            "collect": job.collect,
            "collect_files": COLLECT_FILES,
            "collect_bytes": COLLECT_BYTES,
            "egress": {"at_once": AT_ONCE, "in_all": IN_ALL, "window": WINDOW} if egress else None,
        }
        small = bytearray(encode(b"J", json.dumps(head).encode()))
        for file in job.files:
            for part in encode_file(file):
                if len(part) < SMALL:
                    small += part
                else:  # a large body is not copied
                    await self._send(bytes(small))
                    await self._send(part)
                    small.clear()
                if len(small) > SMALL:
                    await self._send(bytes(small))
                    small.clear()
        if job.stdin:
            small += encode(b"I", job.stdin)
        await self._send(bytes(small + encode(b"G")))

    async def _take(self, job: Job, answer: Answer, relay: Relay | None) -> None:
        while answer.end is None:
            for frame in self._parser.feed(await self._receive()):
                if relay and frame.kind in RELAYED and answer.end is None:
                    relay.take(frame)
                    continue
                shown = answer.take(frame)
                if shown and shown[1] and job.on_output is not None:
                    await job.on_output(*shown)

    async def _send(self, data: bytes) -> None:
        if self._stream is None:
            raise AssertionError("a container is entered before it is used")
        if data:
            await self._stream.send(data)

    async def _receive(self) -> bytes:
        if self._stream is None:
            raise AssertionError("a container is entered before it is used")
        early, self._early = self._early, b""
        return self._demux.feed(early or await self._stream.receive(1 << 18))

    async def _leave(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._stream is not None:
                await anyio.aclose_forcefully(self._stream)
            if not self._exists:
                return
            if self._clean:
                self._reaper.submit(self._end)
            else:
                await anyio.to_thread.run_sync(self._end)

    def _end(self) -> None:
        end(self._engine, self.name, ending=self._clean and self._config["HostConfig"]["AutoRemove"])
