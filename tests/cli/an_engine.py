"""A Docker engine as far as its images go: what there is on this machine is no test's to remove."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class AnEngine:
    """Its images by name, each with its labels; what it was asked to list, and which images to remove. It refuses for
    `used`, and lists nothing but an error where it is `ill`."""

    images: dict[str, dict[str, str]]
    url: str
    listed: list[dict[str, Any]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    used: frozenset[str] = frozenset()
    ill: bool = False

    def list(self, query: str) -> tuple[int, Any]:
        if self.ill:
            return 500, {"message": "out of order"}
        self.listed.append(json.loads(parse_qs(query)["filters"][0]))
        asked = {tuple(label.split("=", 1)) for label in self.listed[-1].get("label", ())}
        found = {name: labels for name, labels in self.images.items() if asked <= labels.items()}
        return 200, [{"RepoTags": [name], "Labels": labels, "Size": 1_000_000} for name, labels in found.items()]

    def remove(self, name: str) -> tuple[int, Any]:
        if name in self.used:
            return 409, {"message": f"conflict: container 12ab is using its referenced image {name}"}
        if name not in self.images:
            return 404, {"message": f"No such image: {name}"}
        self.removed.append(name)
        del self.images[name]
        return 200, [{"Untagged": name}]


@contextmanager
def an_engine(path: Path, images: dict[str, dict[str, str]]) -> Iterator[AnEngine]:
    """One that listens at the socket `path` for as long as the block."""
    engine = AnEngine(dict(images), f"unix://{path}")

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            where = urlsplit(self.path)
            self.say(*((200, {"ApiVersion": "1.41"}) if where.path == "/version" else engine.list(where.query)))

        def do_DELETE(self) -> None:
            self.say(*engine.remove(unquote(urlsplit(self.path).path.partition("/images/")[2])))

        def say(self, status: int, value: Any) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            """Nobody reads it; and a peer at a socket in the file system has no address to print."""

    with socketserver.ThreadingUnixStreamServer(str(path), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
