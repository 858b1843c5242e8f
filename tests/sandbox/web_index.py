"""An index of packages that pip asks over HTTP, and by HTTPS through a proxy: it answers as a test wants."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Index:
    """`answers` by the ends of paths, and the status `other` for every other question; `told` are the credentials that
    came with them. With a `certificate`, whatever is asked for by CONNECT is this index itself."""

    answers: Mapping[str, tuple[int, bytes]]
    other: int = 404
    certificate: Path | None = None
    host: str = ""
    told: set[str] = field(default_factory=set)

    def answer(self, path: str) -> tuple[int, bytes]:
        return next((answer for end, answer in self.answers.items() if path.endswith(end)), (self.other, b""))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, index: Index, *args: Any) -> None:
        self._index = index
        super().__init__(*args)

    def do_GET(self) -> None:
        self._index.told.add(self.headers.get("Authorization", ""))
        status, body = self._index.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        assert self._index.certificate is not None
        self._index.told.add(self.headers.get("Proxy-Authorization", ""))
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._index.certificate)
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError:  # whoever does not trust the certificate goes
            return
        self.close_connection = False
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        return


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, index))
    server.daemon_threads = True
    index.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of pip's settings are the test's own, and a local index is asked without a proxy."""
    for name, value in {"CONFIG_FILE": "/dev/null", "RETRIES": "0", "NO_CACHE_DIR": "1"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
