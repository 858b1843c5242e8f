"""Bodies unpacked within bounds: a few kilobytes of gzip can hold gigabytes."""

from __future__ import annotations

import zlib
from typing import Final, Protocol

from astro_mcp.errors import ProviderFailed, TooLarge, Unsupported

ACCEPTED: Final = "gzip, deflate"
RATIO: Final = 200
"""Times that a body may grow. Real pages stay below 50; deflate's limit is 1,032."""
FREE: Final = 1_000_000
"""Bytes from which on the ratio counts."""
PIECE: Final = 1 << 18
"""Bytes unpacked at a time."""
MEMBERS: Final = 10_000
"""Of one gzip body; each costs some microseconds, however little it holds."""
PARTS: Final = 20_000
"""Parts of a body from which on they must hold `WORTH` bytes each, on the average: one costs what it costs, even with a
byte."""
WORTH: Final = 16
_MAGIC: Final = b"\x1f\x8b"


class Body:
    """Takes a body's chunks as they come; raises `TooLarge` as soon as it holds more than `most` bytes."""

    def __init__(self, encoding: str, most: int) -> None:
        self._most = most
        self._received = 0
        self._parts = 0
        self._out = bytearray()
        self._unpack = _unpacker(encoding.strip().lower())

    def feed(self, chunk: bytes) -> None:
        """Add what the network gave."""
        self._received += len(chunk)
        self._parts += 1
        if self._parts > PARTS and self._received < WORTH * self._parts:
            raise TooLarge(f"the body comes in more than {PARTS:,} parts of next to nothing")
        if self._unpack is None:
            self._keep(chunk)
            return
        if self._received > self._most:
            raise self._too_large()
        more = True
        while more:
            data = self._inflate(self._unpack, chunk)
            self._keep(data)
            chunk = self._unpack.unconsumed_tail
            more = bool(chunk) or len(data) == PIECE  # a full piece may have left output behind, without input

    def finish(self) -> bytes:
        """The whole body; raises `ProviderFailed` where it broke off."""
        if self._unpack is not None and self._received and not self._unpack.eof:
            raise ProviderFailed("the compressed body broke off before its end")
        return bytes(self._out)

    @staticmethod
    def _inflate(unpack: _Unpacker, chunk: bytes) -> bytes:
        try:
            return unpack.decompress(chunk, PIECE)
        except zlib.error as error:
            raise ProviderFailed(f"the compressed body is damaged: {error}", retryable=False) from None

    def _keep(self, data: bytes) -> None:
        self._out += data
        if len(self._out) > self._most:
            raise self._too_large()
        if len(self._out) > FREE and len(self._out) > RATIO * self._received:
            raise TooLarge(f"the body grows more than {RATIO} times on unpacking: a decompression bomb")

    def _too_large(self) -> TooLarge:
        hint = "web.page_bytes in config.toml is the operator's bound"
        return TooLarge(f"the body has more than {self._most:,} bytes", hint)


class _Unpacker(Protocol):
    """As `zlib.decompressobj`."""

    @property
    def eof(self) -> bool:
        """Whether a whole body was read; what comes then is passed over, or is more of it."""

    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Deflate:
    """`deflate` is zlib's format, and in the wild raw deflate too (RFC 9110, section 8.4.1.2): the first byte tells."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj()
        self._begun = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unconsumed_tail(self) -> bytes:
        return self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if self._inner.eof:
            return b""
        if not self._begun and data:
            self._begun = True
            if data[0] & 0x0F != 8:
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        return self._inner.decompress(data, max_length)


class _Gzip:
    """Members, one behind the other (RFC 1952, section 2.2). What comes behind them and begins as none is padding."""

    def __init__(self) -> None:
        self._begin(1)
        self._behind = b""  # the last member: two bytes tell whether it is another one
        self.unconsumed_tail = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if self._inner.eof:
            data = self._behind + data
            if not data.startswith(_MAGIC):
                self._behind, self.unconsumed_tail = data[:2], b""
                return b""
            self._begin(self._members + 1)
            self._behind = b""
        out = self._inner.decompress(data, max_length)
        self.unconsumed_tail = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
        return out

    def _begin(self, number: int) -> None:
        if number > MEMBERS:
            raise TooLarge(f"the body is made of more than {MEMBERS:,} compressed parts")
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._members = number


def _unpacker(encoding: str) -> _Unpacker | None:
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip"):
        return _Gzip()
    if encoding == "deflate":
        return _Deflate()
    raise Unsupported(f"the server answered with the encoding {encoding[:40]!r}, which was not asked for")
