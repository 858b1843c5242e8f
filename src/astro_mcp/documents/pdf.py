"""A PDF's text, read in a bounded child process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from astro_mcp.errors import InvalidInput, LimitHit, TimedOut

SECONDS: Final = 30.0
PAGES: Final = 500
CHARACTERS: Final = 2_000_000
MEMORY: Final = 1 << 30
_CHILD: Final = Path(__file__).with_name("pdf_child.py")


async def pdf_text(data: bytes, shown: str) -> tuple[str, str]:
    """Text with a line `[page N]` before each page, and a note on how many pages there are.

    Raises `InvalidInput` for what is no readable PDF, `LimitHit` and `TimedOut` for what takes too much.
    """
    argv = [sys.executable, "-I", str(_CHILD), str(MEMORY), str(int(SECONDS)), str(PAGES), str(CHARACTERS)]
    with anyio.move_on_after(SECONDS) as scope:
        output, status = await _run(argv, data)
    if scope.cancelled_caught:
        raise TimedOut(f"{shown} took longer than {SECONDS:g} s to read", "it may be broken, or made to be slow")
    if status != 0:
        raise LimitHit(f"{shown} needs more memory or time than a PDF is given", "it may be made to do so")
    body = json.loads(output)
    if "error" in body:
        raise InvalidInput(f"{shown} can't be read as a PDF: {body['error']}")
    pages, total = body["pages"], body["total"]
    text = "\n".join(f"[page {number}]\n{page}" for number, page in enumerate(pages, 1))
    cut = f", the first {len(pages)} shown" if len(pages) < total else ""
    return text, f"text of a PDF of {total} pages{cut}"


async def _run(argv: list[str], data: bytes) -> tuple[bytes, int]:
    process = await anyio.open_process(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LANG": "C.UTF-8"},
        cwd="/",
        start_new_session=True,
    )
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_feed, process, data)
            output = await _drain(process)
        return output, await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def _feed(process: Process, data: bytes) -> None:
    if process.stdin is None:
        raise AssertionError("the child was started with a pipe")
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.send(data)
        await process.stdin.aclose()


async def _drain(process: Process) -> bytes:
    if process.stdout is None:
        raise AssertionError("the child was started with a pipe")
    chunks: list[bytes] = []
    size = 0
    async for chunk in process.stdout:
        size += len(chunk)
        if size > CHARACTERS * 8:
            raise LimitHit("the PDF's text is too long")
        chunks.append(chunk)
    return b"".join(chunks)
