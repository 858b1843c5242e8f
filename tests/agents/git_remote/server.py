"""A git host of one's own: `git http-backend` behind TLS on loopback, and whatever else a hostile one answers."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.agents.git.bench import plain_git

Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GitServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers))
        for path, reply in self.server.replies.items():
            if self.path.startswith(path):
                self.close_connection = True
                reply(self)
                return
        if self.server.token and self.headers.get("Authorization") != self.server.authorization:
            self.body()
            self.plain(401, b"", {"WWW-Authenticate": 'Basic realm="git"'})
            return
        self._backend(self.body())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def plain(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _backend(self, body: bytes) -> None:
        url = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": "somebody",
            "REMOTE_ADDR": "127.0.0.1",
        }
        ran = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, out = ran.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.plain(int(headers.pop("Status", "200").split(" ")[0]), out, headers)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass


class GitServer(ThreadingHTTPServer):
    """`folder` holds bare repositories; `replies` go before git, by the beginning of a path."""

    daemon_threads = True

    def __init__(self, folder: Path, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.token = ""
        self.replies: dict[str, Reply] = {}
        self.asked: list[tuple[str, str, Message]] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def host(self) -> str:
        return f"site.example:{self.server_port}"

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"x-access-token:{self.token}".encode()).decode()

    def url(self, name: str = "project") -> str:
        return f"https://{self.host}/{name}.git"

    def bare(self, name: str = "project") -> Path:
        return self.folder / f"{name}.git"

    def git(self, *arguments: str, name: str = "project", stdin: str | None = None) -> str:
        return plain_git(self.bare(name), *arguments, stdin=stdin)

    def take(self, source: Path, name: str = "project") -> None:
        """Make the repository out of `source`."""
        plain_git(self.folder, "clone", "-q", "--bare", str(source), f"{name}.git")
        self.git("config", "http.receivepack", "true", name=name)
        self.git("config", "receive.denyNonFastForwards", "false", name=name)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what tests are about."""


def saying(status: int, body: bytes = b"", **headers: str) -> Reply:
    """A plain answer; `content_type="…"` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.plain(status, body, named)


def packet(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return b"%04x" % (len(data) + 4) + data


def advertising(sha: str, refs: Sequence[str]) -> Reply:
    """Every ref of `refs` at `sha`, whatever its name."""
    first, *rest = [f"{sha} {ref}" for ref in refs]
    rows = [f"{first}\0side-band-64k ofs-delta no-progress\n", *(f"{row}\n" for row in rest)]

    def reply(handler: Handler) -> None:
        service = handler.path.rpartition("=")[2]
        body = packet(f"# service={service}\n") + b"0000" + b"".join(map(packet, rows)) + b"0000"
        handler.plain(200, body, {"Content-Type": f"application/x-{service}-advertisement"})

    return reply


@contextmanager
def serving(folder: Path, certificate: Path) -> Iterator[GitServer]:
    folder.mkdir(exist_ok=True)
    with GitServer(folder, certificate) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def processes(wanted: Callable[[str], bool]) -> str:
    """Command line and environment of every process but this one whose text is wanted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            text = (folder / "cmdline").read_text() + (folder / "environ").read_text()
            if "git" in text and folder.name != str(os.getpid()) and wanted(text):
                found.append(text)
    return "\n".join(found)
