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
    """A tool's or the protocol's error, in the one JSON form of errors; `exit` is the code's own unless it is given."""

    def __init__(self, error: Mapping[str, Any], exit: int | None = None) -> None:  # noqa: A002 - the status's name
        self.error = dict(error)
        row = CODES.get(str(error.get("code", "")))
        self.exit = exit if exit is not None else row.exit if row else 1
        super().__init__(str(error.get("message", "")))


def usage(message: str, hint: str = "") -> Failure:
    """The failure of a command line that could not be carried out as it was written."""
    return Failure({"code": "invalid_input", "message": message, "hint": hint, "retryable": False}, 2)


def unreachable(error: ShimError) -> Failure:
    """The failure of a command that got no daemon, or none that takes it."""
    if error.status == 2:
        return usage(error.message)
    hint = "astro-mcp doctor" if error.status == 3 else ""
    return Failure({"code": "unavailable", "message": error.message, "hint": hint, "retryable": False}, error.status)


GONE: Final = {
    "code": "unavailable",
    "message": "the daemon went away",
    "hint": "run the command again: it starts the next one; what it ran is told by `astro-mcp audit`",
    "retryable": True,
}


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
            error = dict(structured.get("error") or {"code": "internal", "message": text, "hint": ""})
            if error["code"] == "no_root":
                error["hint"] = "; ".join(["run it in a project's folder, or with --root DIR", *self._notices()])
            raise Failure(error)
        return {"text": text, "structured": structured}

    def read(self, uri: str) -> dict[str, str]:
        """A resource that is text: `mimeType` and `text`; raises `Failure`."""
        [content] = self.request("resources/read", {"uri": uri})["contents"]
        return {"mimeType": str(content.get("mimeType", "")), "text": str(content["text"])}

    def _notices(self) -> list[str]:
        """What this session asked for and did not get: the lines of the server's instructions that tell it."""
        said = str(self.request("server/discover", {}).get("instructions", ""))
        return [line.removeprefix("! ") for line in said.splitlines() if line.startswith("! ")]

    def request(self, method: str, params: Mapping[str, Any], heard: Heard | None = None) -> dict[str, Any]:
        """One request and its answer; raises `Failure` for the protocol's errors and for a daemon that went away."""
        self._last += 1
        meta = {**ENVELOPE, "progressToken": self._last} if heard else ENVELOPE
        message = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": {**params, "_meta": meta}}
        for answer in self._answers(json.dumps(message).encode() + b"\n"):
            if answer.get("id") == self._last and "method" not in answer:
                if "error" in answer:
                    raise Failure(_protocol_error(answer["error"]))
                return dict(answer["result"])
            if heard and answer.get("method") == "notifications/progress":
                heard(answer["params"])
        raise Failure(GONE)

    def _answers(self, line: bytes) -> Iterator[dict[str, Any]]:
        """Send `line`, then everything that comes back, until the daemon's end closes."""
        try:
            self._connection.sendall(line)
            yield from (json.loads(answer) for answer in self._lines)
        except (ConnectionError, ValueError):  # killed in the middle of a line
            raise Failure(GONE) from None


def _protocol_error(error: Mapping[str, Any]) -> dict[str, Any]:
    data = error.get("data")
    if isinstance(data, dict) and isinstance(data.get("error"), dict):
        return dict(data["error"])
    return {"code": "invalid_input", "message": str(error.get("message", "")), "hint": str(data or "")}


@contextmanager
def open_link(roots: Sequence[str] = ()) -> Iterator[Link]:
    """A connection to the data folder's daemon, which is started where none runs.

    Raises `Failure`, and `ShimError` where there is no daemon to be had.
    """
    for root in roots:
        if not os.path.isdir(os.path.expanduser(root)):
            raise usage(f"--root {root} is no folder")
    environment = dict(os.environ)
    arguments = [part for root in roots for part in ("--root", root)]
    found = connect(data_folder(environment), environment, {**hello(arguments, environment), "kind": "cli"})
    if found is None:
        raise Failure(GONE)
    with found[0]:
        yield Link(found[0])
