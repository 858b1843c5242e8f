"""A database of advisories on loopback that speaks OSV's API: querybatch with pages, and advisories by id."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from astro_mcp.config import AdvisorySettings


@dataclass
class Database:
    """`advisories` by id, in OSV's format; who is affected stands in their `affected`, by versions. `answers` has what
    a path answers instead: a status and bytes."""

    advisories: dict[str, dict[str, Any]] = field(default_factory=dict)
    page: int = 1_000
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def settings(self) -> AdvisorySettings:
        return AdvisorySettings(base_url=self.url, allow_private=True, timeout_seconds=5)

    def put(self, id_: str, ecosystem: str, name: str, versions: list[str], **more: Any) -> None:
        fixed = more.pop("fixed", [])
        events = [{"introduced": "0"}, *({"fixed": version} for version in fixed)]
        package = {"ecosystem": ecosystem, "name": name}
        ranges = [{"type": "ECOSYSTEM", "events": events}]
        body = {"id": id_, "modified": "2026-01-01T00:00:00Z", "affected": [{"package": package, "versions": versions}]}
        body["affected"][0]["ranges"] = ranges  # type: ignore[index] # a list of tables
        self.advisories[id_] = body | more

    def paths(self, prefix: str) -> list[str]:
        return [path for path, _ in self.asked if path.startswith(prefix)]

    def answer(self, path: str, body: Any) -> tuple[int, bytes]:
        self.asked.append((path, body))
        if path in self.answers:
            return self.answers[path]
        if path == "/v1/querybatch":
            return 200, json.dumps({"results": [self._result(query) for query in body["queries"]]}).encode()
        found = self.advisories.get(path.removeprefix("/v1/vulns/"))
        return (200, json.dumps(found).encode()) if found else (404, b'{"code":5,"message":"Bug not found."}')

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        found = [
            {"id": body["id"], "modified": body["modified"]}
            for body in self.advisories.values()
            if any(
                one["package"] == query["package"] and query["version"] in one["versions"] for one in body["affected"]
            )
        ]
        start = int(query.get("page_token", "0"))
        result: dict[str, Any] = {"vulns": found[start : start + self.page]} if found else {}
        return result | ({"next_page_token": str(start + self.page)} if len(found) > start + self.page else {})


@contextmanager
def osv() -> Iterator[Database]:
    """A database for the length of the block."""
    database = Database()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(None)

        def do_POST(self) -> None:
            self._send(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _send(self, body: Any) -> None:
            database.headers.append(dict(self.headers))
            status, data = database.answer(self.path, body)
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        database.url = f"http://127.0.0.1:{server.server_port}"
        yield database
        server.shutdown()
