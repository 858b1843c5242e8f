"""The claim check: payloads over a bound are files, and what travels instead is their sha256.

A codec of the client and of every worker does it, outside of workflow code. Content-addressed: a replay reads what the
first time read, or fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from astro_mcp.errors import Internal, Unavailable
from astro_mcp.store.blobs import Blobs

BOUND: Final = 256 * 1024
TOGETHER: Final = 2 * 1024**2
"""Bytes: of a payload that travels as it is, and of as many as a run begins calls at once. A server takes 4 MB."""
ENCODING: Final = b"claim/sha256"
_OWNER: Final = "temporal"


class Claims(PayloadCodec):
    """Keeps large payloads in `folder`, which every client and worker of the namespace must see. `at_once` are the
    calls that a run may begin together."""

    def __init__(self, folder: Path, at_once: int = 1) -> None:
        self._blobs = Blobs(folder)
        self._bound = min(BOUND, TOGETHER // at_once)
        self._limiter = anyio.CapacityLimiter(4)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises `Unavailable` where the folder can't be written."""
        return [await self._claimed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises `Unavailable` for a file that is not there, `Internal` for one that is not what it was."""
        return [await self._redeemed(payload) for payload in payloads]

    async def sweep(self, before: float) -> int:
        """Remove what nobody has put since that time (Unix seconds); how many files it were."""
        return await anyio.to_thread.run_sync(self._blobs.sweep, before, limiter=self._limiter)

    async def _claimed(self, payload: Payload) -> Payload:
        if payload.ByteSize() <= self._bound:
            return payload
        try:
            sha256 = await anyio.to_thread.run_sync(
                lambda: self._blobs.put(_OWNER, payload.SerializeToString()), limiter=self._limiter
            )
        except OSError as error:
            raise Unavailable(f"a large payload can't be kept: {error}", "see workflow.temporal.claims") from error
        return Payload(metadata={"encoding": ENCODING}, data=sha256.encode())

    async def _redeemed(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        sha256 = payload.data.decode("ascii", "replace")
        try:
            body = await anyio.to_thread.run_sync(self._read, sha256, limiter=self._limiter)
        except OSError as error:
            hint = "workflow.temporal.claims is a folder that every worker and daemon sees"
            raise Unavailable(f"the payload {sha256[:64]} is not on this machine", hint) from error
        return Payload.FromString(body)

    def _read(self, sha256: str) -> bytes:
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise Internal("a payload's address is no sha256")
        body = self._blobs.path(_OWNER, sha256).read_bytes()
        if hashlib.sha256(body).hexdigest() != sha256:
            raise Internal(f"the payload {sha256} is damaged")
        return body
