"""A child process on the host, for our own programs only: its own session, a clean environment, a deadline, reaped."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Final

import anyio

from astro_mcp.errors import TimedOut

KEPT: Final = 64_000
PROXY: Final = re.compile(r"(https?|all|no)_proxy\Z", re.IGNORECASE)
OnLine = Callable[[str], Awaitable[None]]


async def run(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float, on_line: OnLine
) -> tuple[int, str]:
    """Exit status and the last 64,000 characters of both streams; raises `TimedOut` after `seconds`."""
    said = ""
    buffer = ""
    with anyio.CancelScope(shield=True):  # a start that is cancelled would leave what it has started by then
        process = await anyio.open_process(
            argv, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, cwd=folder, env=environment, start_new_session=True
        )
    try:
        with anyio.fail_after(seconds):
            if process.stdout is None:
                raise AssertionError("stdout is a pipe")
            async for chunk in process.stdout:
                text = chunk.decode(errors="replace")
                said = (said + text)[-KEPT:]
                *lines, buffer = (buffer + text).split("\n")
                for line in lines:
                    await on_line(line)
                buffer = buffer[-KEPT:]
            return await process.wait(), said
    except TimeoutError:
        raise TimedOut(f"{Path(argv[0]).name} took longer than {seconds:g} s") from None
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()


def environment(ours: Mapping[str, str], needed: Callable[[str], bool]) -> dict[str, str]:
    """Of our own: where programs and the user's settings are, the proxies, and the names that are `needed`."""
    return {
        name: value for name, value in ours.items() if name in ("PATH", "HOME") or PROXY.match(name) or needed(name)
    }
