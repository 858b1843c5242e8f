"""The two framings between the host and PID 1 of a container; what comes from there is parsed as hostile.

Outside: the engine's (`stream type, 0, 0, 0, length`: Docker Engine API, "Attach to a container"). Inside, on fd 0 and
fd 1 of PID 1: one byte of kind, four bytes of length, big-endian. To PID 1: `J` job, `F` file, `I` stdin, `G` go. From
PID 1: `R` what holds here, `o` `e` output, `a` a file, `x` the end.

Where a run has egress, both ways, each with the four bytes of a connection's number first: `c` from PID 1 asks for
`host:port`, to PID 1 it answers with a status (two bytes, HTTP's) and a reason; `d` data; `s` no more data follows; `w`
so many more bytes (four bytes) may come, beyond the 65,536 that each side may send; `q` the connection is over for this
side. Every connection has one `q` each way, and its number is taken until then.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from astro_mcp.errors import ProviderFailed
from astro_mcp.sandbox.job import LONGEST_PATH, SandboxFile, safe_path

HEADER: Final = struct.Struct(">cI")
FILE_HEAD: Final = struct.Struct(">HB")
MUX: Final = struct.Struct(">B3sI")
LARGEST_CHUNK: Final = 1 << 24
COLLECT_FILES: Final = 500
COLLECT_BYTES: Final = 64 << 20
NUMBER: Final = struct.Struct(">I")
WINDOW: Final = 1 << 16
LONGEST_TARGET: Final = 260
RELAYED: Final = frozenset({b"c", b"d", b"s", b"q", b"w"})
BOUNDS: Final[Mapping[bytes, int]] = {
    b"R": 1 << 16,
    b"o": 1 << 20,
    b"e": 1 << 20,
    b"a": COLLECT_BYTES + FILE_HEAD.size + LONGEST_PATH,
    b"x": 1 << 18,
    b"c": NUMBER.size + LONGEST_TARGET,
    b"d": NUMBER.size + WINDOW,
    b"s": NUMBER.size,
    b"q": NUMBER.size,
    b"w": 2 * NUMBER.size,
}


class BrokenProtocol(ProviderFailed):
    """The sandbox broke its own protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    kind: bytes
    payload: bytes


def encode(kind: bytes, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def encode_file(file: SandboxFile) -> tuple[bytes, bytes]:
    """Head and body of an `F` frame, apart: a large body is not copied."""
    name = file.path.encode()
    head = FILE_HEAD.pack(len(name), file.executable) + name
    return HEADER.pack(b"F", len(head) + len(file.data)) + head, file.data


def decode_file(payload: bytes) -> SandboxFile:
    """An `a` frame's file; raises `BrokenProtocol` for a path that is not a safe relative one."""
    if len(payload) < FILE_HEAD.size:
        raise BrokenProtocol(hint="a file's frame is cut short")
    length, executable = FILE_HEAD.unpack_from(payload)
    name = payload[FILE_HEAD.size : FILE_HEAD.size + length]
    try:
        path = name.decode()
    except UnicodeDecodeError:
        raise BrokenProtocol(hint="a file's name is not UTF-8") from None
    if len(name) != length or not safe_path(path):
        raise BrokenProtocol(hint="a file's name is not a safe relative path")
    return SandboxFile(path, payload[FILE_HEAD.size + length :], bool(executable))


def decode_json(payload: bytes) -> dict[str, Any]:
    """A frame's JSON object; raises `BrokenProtocol`."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BrokenProtocol(hint="a frame holds no JSON object")
    return value


class Demux:
    """Bytes off the attached socket in, bytes of PID 1's stdout out; its stderr is kept for the log, 4 KiB of it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.complaint = b""

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        out = bytearray()
        at = 0
        while len(self._buffer) - at >= MUX.size:
            stream, zeros, length = MUX.unpack_from(self._buffer, at)
            if stream not in (0, 1, 2) or zeros != b"\0\0\0" or length > LARGEST_CHUNK:
                raise BrokenProtocol(hint="the engine's stream is not framed")
            end = at + MUX.size + length
            if len(self._buffer) < end:
                break
            chunk = self._buffer[at + MUX.size : end]
            if stream == 1:
                out += chunk
            elif stream == 2:
                self.complaint = (self.complaint + chunk)[-4096:]
            at = end
        del self._buffer[:at]
        return bytes(out)


class Parser:
    """Bytes in, whole frames out. A frame over its kind's bound is refused by its header, before its bytes are kept."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        self._buffer += data
        found = []
        at = 0
        while len(self._buffer) - at >= HEADER.size:
            kind, length = HEADER.unpack_from(self._buffer, at)
            if length > BOUNDS.get(kind, -1):
                raise BrokenProtocol(hint=f"a frame of kind {kind!r} with {length:,} bytes")
            end = at + HEADER.size + length
            if len(self._buffer) < end:
                break
            found.append(Frame(kind, bytes(self._buffer[at + HEADER.size : end])))
            at = end
        del self._buffer[:at]
        return found
