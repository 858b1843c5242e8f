"""The host's connection to the daemon: its pipes are given to it, or carried; and an exit status that tells the end."""

from __future__ import annotations

import _thread
import os
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

from astro_mcp.shim.handover import can_be_given, give, until_end
from astro_mcp.shim.hello import hello
from astro_mcp.shim.place import ShimError, data_folder
from astro_mcp.shim.start import connect

LOST: Final = 75
"""EX_TEMPFAIL of sysexits.h: the daemon went away; starting again may do."""
CHUNK: Final = 256 * 1024
DRAIN_SECONDS: Final = 5


def main(arguments: Sequence[str]) -> int:
    """Carry one host's connection; returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the shim holds nothing that would need a last word
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        environment = dict(os.environ)
        said = {**hello(arguments, environment), "gives": can_be_given()}
        found = connect(data_folder(environment), environment, said)
        if found is None:
            raise ShimError("no daemon")
        link, reply = found
        if reply.get("takes") and give(link):
            return _status(ended=until_end(link, DRAIN_SECONDS))
        return pump(link)
    except ShimError as error:
        _complain(error.message)
        return error.status


def control(verb: str) -> dict[str, Any] | None:
    """Ask the running daemon for `status` or `stop`; None where none runs. Raises `ShimError`."""
    environment = dict(os.environ)
    found = connect(data_folder(environment), environment, {"control": verb}, start=False)
    if found is None:
        return None
    found[0].close()
    return found[1]


def pump(link: socket.socket) -> int:
    """Both directions until the daemon's end closes: 0 after the host's end of input, else `LOST`."""
    ended: list[bool] = []
    _thread.start_new_thread(_upstream, (link, ended))
    try:
        while data := link.recv(CHUNK):
            if not _write(1, data):
                return 0  # the host is gone: nobody is left to tell
    except ConnectionError:
        pass  # said below, as for a daemon that closed its end
    return _status(ended=bool(ended))


def _status(*, ended: bool) -> int:
    if ended:
        return 0
    _complain("the daemon went away; start the server again (the log is in the data folder's logs/)")
    return LOST


def _upstream(link: socket.socket, ended: list[bool]) -> None:
    try:
        while data := os.read(0, CHUNK):
            link.sendall(data)
    except ConnectionError:
        return  # the other direction sees the end, and says so
    except OSError:
        pass  # a stdin that can't be read is at its end
    ended.append(True)
    try:
        link.shutdown(socket.SHUT_WR)
    except OSError:
        return
    time.sleep(DRAIN_SECONDS)
    os._exit(0)


def _write(descriptor: int, data: bytes) -> bool:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        return False
    return True


def _complain(message: str) -> None:
    line = "".join(character if character.isprintable() else " " for character in message)
    _write(2, f"astro-mcp: {line}\n".encode("utf-8", "replace"))
