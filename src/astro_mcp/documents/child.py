"""A child process of our own that reads what may be broken or hostile: a clean environment, a session of its own, a
deadline, so many bytes of output, and its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from subprocess import DEVNULL, PIPE
from typing import Final

import anyio
from anyio.abc import Process

ENVIRONMENT: Final = {"LANG": "C.UTF-8"}


class TooMuch(Exception):
    """It printed more than it may."""


async def run(argv: Sequence[str], seconds: float, most: int, data: bytes = b"") -> tuple[bytes, int]:
    """What it prints, and its exit status; `data` is what it reads.

    Raises `TimeoutError` after `seconds`, and `TooMuch` at once where it prints more than `most` bytes. It is gone in
    any case, with all that it started and that is of its session.
    """
    with anyio.fail_after(seconds):
        with anyio.CancelScope(shield=True):  # a start that is cancelled would leave what it has started by then
            process = await anyio.open_process(
                argv,
                stdin=PIPE if data else DEVNULL,
                stdout=PIPE,
                stderr=DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        try:
            output = await _talk(process, most, data)
            if output is None:
                raise TooMuch
            return output, await process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await process.aclose()


async def _talk(process: Process, most: int, data: bytes) -> bytes | None:
    """None where it says more than `most` bytes."""
    async with anyio.create_task_group() as group:
        group.start_soon(_feed, process, data)
        output = await _drain(process, most)
        group.cancel_scope.cancel()  # who says all that it has to say needs to read no more
    return output


async def _feed(process: Process, data: bytes) -> None:
    if process.stdin is not None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.send(data)
            await process.stdin.aclose()


async def _drain(process: Process, most: int) -> bytes | None:
    if process.stdout is None:
        raise AssertionError("the child was started with a pipe")
    output = bytearray()
    async for chunk in process.stdout:
        output += chunk
        if len(output) > most:
            return None
    return bytes(output)
