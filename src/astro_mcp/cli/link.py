"""One connection of the command line to the daemon: MCP's modern era, a request a line.

The modern era needs no handshake, so a command costs one round trip and none of the SDK's import.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from astro_mcp.errors import CODES
from astro_mcp.shim.hello import hello
from astro_mcp.shim.place import VERSION, ShimError, data_folder
from astro_mcp.shim.start import connect

META: Final = "io.modelcontextprotocol/"
ENVELOPE: Final = {
    f"{META}protocolVersion": "2026-07-28",
    f"{META}clientInfo": {"name": "astro-mcp-cli", "version": VERSION},
    f"{META}clientCapabilities": {},
}
Heard = Callable[[Mapping[str, Any]], None]


class Failure(Exception):
    """A tool's or the protocol's error, in the one JSON form of errors."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.error = dict(error)
        super().__init__(str(error.get("message", "")))

    @property
    def exit(self) -> int:
        row = CODES.get(str(self.error.get("code", "")))
        return row.exit if row else 1


class Link:
    """A greeted connection. Requests go one after another; notifications of progress are told on the way."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._last = 0

    def call(self, tool: str, arguments: Mapping[str, Any], heard: Heard | None = None) -> dict[str, Any]:
        """The result of a tool: `text` and `structured`; raises `Failure`."""
        result = self.request("tools/call", {"name": tool, "arguments": dict(arguments)}, heard)
        structured = result.get("structuredContent") or {}
        text = "\n".join(part["text"] for part in result.get("content", ()) if part.get("type") == "text")
        if result.get("isError"):
            raise Failure(structured.get("error") or {"code": "internal", "message": text, "hint": ""})
        return {"text": text, "structured": structured}

    def request(self, method: str, params: Mapping[str, Any], heard: Heard | None = None) -> dict[str, Any]:
        """One request and its answer; raises `Failure` for the protocol's errors and for a daemon that went away."""
        self._last += 1
        meta = {**ENVELOPE, "progressToken": self._last} if heard else ENVELOPE
        message = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": {**params, "_meta": meta}}
        self._connection.sendall(json.dumps(message).encode() + b"\n")
        for line in self._lines:
            answer = json.loads(line)
            if answer.get("id") == self._last and "method" not in answer:
                if "error" in answer:
                    raise Failure(_protocol_error(answer["error"]))
                return dict(answer["result"])
            if heard and answer.get("method") == "notifications/progress":
                heard(answer["params"])
        raise Failure({"code": "unavailable", "message": "the daemon went away", "hint": "run the command again"})


def _protocol_error(error: Mapping[str, Any]) -> dict[str, Any]:
    data = error.get("data")
    if isinstance(data, dict) and "code" in data:
        return data
    return {"code": "invalid_input", "message": str(error.get("message", "")), "hint": str(data or "")}


@contextmanager
def open_link(roots: Sequence[str] = ()) -> Iterator[Link]:
    """A connection to the data folder's daemon, which is started where none runs. Raises `Failure`."""
    environment = dict(os.environ)
    arguments = [part for root in roots for part in ("--root", root)]
    try:
        found = connect(data_folder(environment), environment, {**hello(arguments, environment), "kind": "cli"})
    except ShimError as error:
        raise Failure({"code": "unavailable", "message": error.message, "hint": "astro-mcp doctor"}) from None
    if found is None:
        raise Failure({"code": "unavailable", "message": "no daemon", "hint": "astro-mcp doctor"})
    with found[0]:
        yield Link(found[0])
