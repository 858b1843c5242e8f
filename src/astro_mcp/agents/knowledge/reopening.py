"""Whether an index folder that nobody closed holds what the record says: a child process reads it back."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from astro_mcp.agents.knowledge.backlog import Holding

log = logging.getLogger(__name__)

SECONDS: Final = 20.0
SECONDS_PER_VECTOR: Final = 0.002
"""Ten times what reading one back takes on a machine with nothing else to do, and not yet what making it anew takes
where it is as slow as that."""
ANSWER_PER_VECTOR: Final = 200
ANSWER_BYTES: Final = 1_000_000
NOTHING: Final = Holding()
CHILD: Final = "astro_mcp.agents.knowledge.index_child"


async def same(folder: Path, vectors: int, holdings: Mapping[str, Holding]) -> bool:
    """Whether the folder's collections hold what `holdings` says by name; false too for what breaks, or takes too long
    or too much."""
    seconds = SECONDS + SECONDS_PER_VECTOR * vectors
    arguments = [str(os.getpid()), str(folder), str(vectors), str(int(seconds))]
    answer, status = b"", -1
    with anyio.move_on_after(seconds) as scope:
        answer, status = await _run(arguments, ANSWER_BYTES + ANSWER_PER_VECTOR * vectors)
    if scope.cancelled_caught or status != 0:
        log.warning("an index that was not closed can't be read: %s", "too slow" if scope.cancelled_caught else status)
        return False
    return await anyio.to_thread.run_sync(_fit, answer, holdings)


def _fit(answer: bytes, holdings: Mapping[str, Holding]) -> bool:
    try:
        *pages, last = [json.loads(line) for line in answer.splitlines()]
        if last != {"all": True}:
            return False
        held: dict[str, dict[int, str]] = {name: {} for name in holdings}
        for page in pages:
            held.setdefault(page["name"], {}).update({int(key): digest for key, digest in page["held"].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return all(holdings.get(name, NOTHING).fits(chunks) for name, chunks in held.items())


async def _run(arguments: list[str], most: int) -> tuple[bytes, int]:
    process = await anyio.open_process(
        [sys.executable, "-I", "-m", CHILD, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LANG": "C.UTF-8"},
        cwd="/",
        start_new_session=True,
    )
    try:
        answer = await _drain(process, most)
        return answer, await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def _drain(process: Process, most: int) -> bytes:
    if process.stdout is None:
        raise AssertionError("the child was started with a pipe")
    answer = bytearray()
    async for chunk in process.stdout:
        answer += chunk
        if len(answer) > most:
            return b""
    return bytes(answer)
