"""Frames on fd 0 and fd 1: one byte of kind, four bytes of length (big-endian), then that many bytes."""

from __future__ import annotations

import json
import os
import struct

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Any, Final

HEADER: Final = struct.Struct(">cI")
CHUNK: Final = 1 << 18


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
    parts = []
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
