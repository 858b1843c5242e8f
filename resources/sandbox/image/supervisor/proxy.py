"""What a program says to its proxy, and what it is told: HTTP/1.1 (RFC 9112), CONNECT and plain `http://` addresses."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Final

LONGEST_HEAD: Final = 8192
END: Final = b"\r\n\r\n"
TUNNEL: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
HOP_BY_HOP: Final = frozenset({b"host", b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization"})


def wanted(head: bytes) -> tuple[bytes, bytes | None]:
    """Of a request's head without its empty line: the `host:port` that it asks for, and the head that goes there, or
    None for a tunnel. Raises ValueError with what is wrong."""
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        raise ValueError("that is no request of HTTP/1.1")
    method, target, version = words
    if method == b"CONNECT":
        return target, None
    scheme, _, rest = target.partition(b"://")
    if scheme.lower() != b"http":
        raise ValueError("this is a proxy: it takes CONNECT host:port, and http://host/ addresses")
    authority, path = _split(rest)
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in HOP_BY_HOP]
    request = b"%s %s %s" % (method, path, version)
    ours = [b"Host: %s" % authority, b"Connection: close"]  # a second request would go to the first one's host
    return authority if b":" in authority else authority + b":80", b"\r\n".join([request, *ours, *kept]) + END


def _split(rest: bytes) -> tuple[bytes, bytes]:
    """Authority and path with query."""
    at = min((found for mark in b"/?#" if (found := rest.find(mark)) >= 0), default=len(rest))
    path = rest[at:].partition(b"#")[0]
    return rest[:at], path if path.startswith(b"/") else b"/" + path


def reply(status: int, reason: str) -> bytes:
    """A whole answer. The reason stands in the first line too: that is what most programs show of it."""
    shown = "".join(character if " " <= character <= "~" else "?" for character in reason)[:500]
    body = f"{shown}\n".encode()
    head = f"HTTP/1.1 {status} {shown}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + END + body
