"""`astro-mcp daemon run`: the daemon itself, as a shim starts it."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anyio

from astro_mcp.app.app import App
from astro_mcp.daemon.door import Door
from astro_mcp.daemon.house import open_house
from astro_mcp.daemon.lock import FolderLock
from astro_mcp.errors import CODES, AstroError, Internal
from astro_mcp.observe.logs import to_file
from astro_mcp.observe.printable import printable
from astro_mcp.shim.place import ShimError, data_folder, make_private, socket_path

log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 5
TICK_SECONDS: Final = 1.0
LOOP: Final = {"use_uvloop": True}
"""The event loop: libuv's costs a call about a tenth less than asyncio's own."""


class Daemon:
    """One data folder's daemon, from its lock to its end."""

    def __init__(self, folder: Path, socket: Path, ready: int | None) -> None:
        self._lock = FolderLock(folder)
        self._socket = socket
        self._ready = ready
        self._scope = anyio.CancelScope()

    async def serve(self) -> None:
        """Hold the folder and serve its socket until a signal, a request or idleness ends it."""
        await self._lock.acquire("daemon")
        try:
            async with open_house(self._lock, self._stop) as (app, door):
                with self._scope:
                    make_private(str(self._socket.parent))
                    self._socket.unlink(missing_ok=True)  # a killed daemon's: the lock says that nobody listens
                    listener = await anyio.create_unix_listener(self._socket, mode=0o600)
                    self._lock.note(socket=str(self._socket))
                    async with anyio.create_task_group() as group:
                        group.start_soon(self._until_signal)
                        group.start_soon(self._until_idle, door, app)
                        group.start_soon(_collect_when_loaded, app)
                        tell(self._ready, {"ok": True})
                        log.info("ready on %s", self._socket)
                        await listener.serve(door.receive)
        finally:
            self._lock.release()
            log.info("ended")

    def _stop(self) -> None:
        """Begin the end: no new connection, running calls cancelled, and a hard end after five seconds."""
        signal.alarm(DRAIN_SECONDS)
        self._lock.note(ending=True)
        self._socket.unlink(missing_ok=True)
        self._scope.cancel()

    async def _until_signal(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                log.info("signal %d", number)
                self._stop()
                return

    async def _until_idle(self, door: Door, app: App) -> None:
        most = app.settings.daemon.idle_seconds
        while True:
            await anyio.sleep(min(TICK_SECONDS, most / 2))
            if door.connections or app.active():
                door.quiet_since = time.monotonic()
            elif time.monotonic() - door.quiet_since > most:
                log.info("idle for %g s", most)
                self._stop()
                return


def main(arguments: Sequence[str]) -> int:
    """`--ready=N`: the descriptor that is told when the socket listens, or why it never will."""
    ready = next((int(option[8:]) for option in arguments if option.startswith("--ready=")), None)
    try:
        folder = data_folder(os.environ)
        make_private(folder)
        to_file(Path(folder) / "logs" / "daemon.log")
        anyio.run(_serve, Path(folder), Path(socket_path(folder, os.environ)), ready, backend_options=LOOP)
    except Exception as error:
        log.exception("the daemon ended")
        return fail(ready, describe(error))
    logging.shutdown()
    os._exit(0)  # a worker thread that blocks is no reason to stay


async def _collect_when_loaded(app: App) -> None:
    """The garbage collector is off during the start; what is loaded then stays, and is not looked through again."""
    await app.loader.through()
    gc.freeze()
    gc.enable()


async def _serve(folder: Path, socket: Path, ready: int | None) -> None:
    await Daemon(folder, socket, ready).serve()


def describe(error: BaseException) -> dict[str, Any]:
    """The one error in what a task group raised, as a shim is told of it: code, message, hint, exit status."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, ShimError):
        return {"code": "unavailable", "message": error.message, "hint": "", "exit": error.status}
    known = error if isinstance(error, AstroError) else Internal(f"the server failed: {type(error).__name__}")
    return {**known.as_dict(), "exit": CODES[known.code].exit}


def tell(ready: int | None, body: dict[str, Any]) -> None:
    """Say `body` to the shim that waits, if it still does."""
    if ready is not None:
        with contextlib.suppress(OSError):
            os.write(ready, json.dumps(body).encode() + b"\n")
            os.close(ready)


def fail(ready: int | None, error: dict[str, Any]) -> int:
    """Tell the shim why, or stderr where none waits; returns the exit status."""
    tell(ready, {"error": error})
    if ready is None:
        hint = f" ({error['hint']})" if error["hint"] else ""
        os.write(2, f"astro-mcp: {printable(error['message'] + hint)}\n".encode("utf-8", "replace"))
    status: int = error["exit"]
    return status
