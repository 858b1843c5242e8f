"""Frames on fd 0 and fd 1: one byte of kind, four bytes of length (big-endian), then that many bytes."""

from __future__ import annotations

import json
import os
import select
import struct
import time

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Any, Final

HEADER: Final = struct.Struct(">cI")
CHUNK: Final = 1 << 18
END_SECONDS: Final = 0.1
_early = bytearray()
"""What was read of a frame that is not whole yet, where nobody waited for the rest."""


class Broken(Exception):
    """What came is no request."""


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def send(kind: bytes, payload: bytes) -> None:
    write(HEADER.pack(kind, len(payload)) + payload)


def write(data: bytes, descriptor: int = 1) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read(size: int) -> bytes | None:
    """`size` bytes, or None where the host is gone."""
    parts = [bytes(_early[:size])]
    del _early[:size]
    size -= len(parts[0])
    while size:
        part = os.read(0, min(size, CHUNK))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def header() -> tuple[bytes, int] | None:
    data = read(HEADER.size)
    return None if data is None else HEADER.unpack(data)


def wait_for_end() -> None:
    """Until the host has read all and gone, or a moment is over: the end of a container takes a core for longer than
    the answer is on its way."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    deadline = time.monotonic() + END_SECONDS
    while (left := deadline - time.monotonic()) > 0 and poll.poll(left * 1000) and os.read(0, CHUNK):
        pass


def arrived() -> list[tuple[bytes, bytes]] | None:
    """The frames that are whole by what there is to read now; None where the host is gone."""
    data = os.read(0, CHUNK)
    if not data:
        return None
    _early.extend(data)
    found, at = [], 0
    while len(_early) - at >= HEADER.size:
        kind, size = HEADER.unpack_from(_early, at)
        end = at + HEADER.size + size
        if len(_early) < end:
            break
        found.append((kind, bytes(_early[at + HEADER.size : end])))
        at = end
    del _early[:at]
    return found
