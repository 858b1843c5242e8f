"""Opaque cursors: where to go on, in which stored result, and for whose call."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from astro_mcp.core.authority import Scope
from astro_mcp.core.model import Input
from astro_mcp.errors import NotFound


@dataclass(frozen=True, slots=True)
class Cursor:
    """`offset` items or characters into the artifact `sha256`."""

    sha256: str
    offset: int

    def seal(self, binding: bytes) -> str:
        """The cursor as a host carries it, bound to a call."""
        body = bytes.fromhex(self.sha256) + self.offset.to_bytes(6, "big") + binding
        return base64.urlsafe_b64encode(body).decode()

    @classmethod
    def open(cls, text: str, binding: bytes) -> Cursor:
        """Raises one and the same `NotFound` for a cursor that is broken, foreign or another call's."""
        try:
            body = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            body = b""
        if len(body) != 38 + len(binding) or body[38:] != binding:
            raise unknown_cursor()
        return cls(body[:32].hex(), int.from_bytes(body[32:38], "big"))


def binding(scope: Scope, tool: str, arguments: Input) -> bytes:
    """What ties a cursor to a scope, a tool and its arguments. Foreign eyes are kept off by the artifact's scope; this
    keeps a host from going on in one listing with another's cursor."""
    parts = (scope.tenant, scope.key, tool, arguments.model_dump_json())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:10]


def unknown_cursor() -> NotFound:
    return NotFound("there is no such cursor for this call", "repeat the call with the same arguments and no cursor")
