"""A registry of npm packages made on the spot: what it serves is as hostile as a test wants it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

Fields = Mapping[str, Any]
NONE: Fields = {}


def tarball(files: Mapping[str, bytes], *special: tarfile.TarInfo) -> bytes:
    """A package's file: `files` by their whole names, then members without data, such as links."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
        for entry in special:
            archive.addfile(entry)
    return packed.getvalue()


class Registry:
    """What npm may ask for, and in `asked` what it did ask for."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self._packages: dict[str, dict[str, Any]] = {}
        self._files: dict[str, bytes] = {}

    def add(
        self, name: str, version: str = "1.0.0", code: str = "", packed: bytes = b"", fields: Fields = NONE
    ) -> None:
        """A package whose one module is `code`, or whose file is `packed`; `fields` are of its package.json."""
        about = {"name": name, "version": version, **fields}
        files = {"package/package.json": json.dumps(about).encode(), "package/index.js": code.encode()}
        data = packed or tarball(files)
        path = f"/{name}/-/{version}.tgz"
        self._files[path] = data
        integrity = f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"
        versions = self._packages.setdefault(name, {})
        versions[version] = {**about, "dist": {"tarball": f"{self.url}{path}", "integrity": integrity}}

    def entry(self, name: str, version: str = "1.0.0", /, **fields: Any) -> dict[str, Any]:
        """The package as a project's lock pins it, with an address that nobody answers; `fields` go before."""
        dist = self._packages[name][version]["dist"]
        address = f"http://127.0.0.1:9/{name}.tgz"
        return {"version": version, "resolved": address, "integrity": dist["integrity"], **fields}

    def answer(self, path: str) -> bytes | None:
        self.asked.append(path)
        if path in self._files:
            return self._files[path]
        name = unquote(path).removeprefix("/")
        versions = self._packages.get(name)
        if versions is None:
            return None
        return json.dumps({"name": name, "dist-tags": {"latest": max(versions)}, "versions": versions}).encode()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, registry: Registry, *args: Any) -> None:
        self._registry = registry
        super().__init__(*args)

    def do_GET(self) -> None:
        body = self._registry.answer(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        return


@contextmanager
def serving() -> Iterator[Registry]:
    registry = Registry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, registry))
    registry.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def only_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """All that npm knows: the machine's own settings are of no account."""
    with serving() as made:
        for name, value in {"registry": made.url, "userconfig": os.devnull, "fetch_retries": "0"}.items():
            monkeypatch.setenv(f"npm_config_{name}", value)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1")
        monkeypatch.delenv("npm_config_local_prefix", raising=False)
        yield made
