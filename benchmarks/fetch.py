"""web_fetch beside mcp-server-fetch, on the same local pages and by one client."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, Final

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from benchmarks._pages import PAGES
from benchmarks._report import report, row
from benchmarks.workspace import timed

ROUNDS: Final = 10
QUICK: Final = 1
OURS: Final = "astro-mcp"
PEER: Final = "mcp-server-fetch"
TWENTIETH: Final = 0.05
"""Of the peer's time."""


@contextmanager
def site(pages: Mapping[str, bytes]) -> Iterator[str]:
    """A server of those pages on loopback, which lets nobody keep them; its address."""

    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = pages.get(self.path[1:])
            self.send_response(404 if body is None else 200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body or b"")))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def servers(folder: Path) -> dict[str, StdioServerParameters]:
    """How each is started; the peer is left out where it is not installed. robots.txt is asked for by neither."""
    home, root = folder / "home", folder / "root"
    home.mkdir(mode=0o700)
    root.mkdir()
    (home / "config.toml").write_text('[web]\nrobots = "ignore"\n')
    ours = ["-m", "benchmarks._fetching", "serve", "--in-process", "--root", str(root)]
    environment = {**os.environ, "ASTRO_MCP_HOME": str(home)}
    found = {OURS: StdioServerParameters(command=sys.executable, args=ours, env=environment)}
    peer = Path(os.environ.get("ASTRO_BENCH_PEERS", "/nowhere")).parent / "fetch/bin/mcp-server-fetch"
    if peer.is_file():
        arguments = ["--allow-private-ips", "--ignore-robots-txt"]
        found[PEER] = StdioServerParameters(command=str(peer), args=arguments, env=dict(os.environ))
    return found


async def run(folder: Path, pages: Mapping[str, bytes], rounds: int) -> tuple[list[Any], dict[str, float]]:
    """Seconds of each page by each server, one after the other in each round; the first round is not counted."""
    found: dict[tuple[str, str], list[tuple[float, int]]] = {}
    async with AsyncExitStack() as stack:
        quiet = stack.enter_context(open(os.devnull, "w"))  # noqa: SIM115 - the stack closes it
        address = stack.enter_context(site(pages))
        clients = {
            name: await stack.enter_async_context(Client(stdio_client(server, errlog=quiet)))
            for name, server in servers(folder).items()
        }
        for number in range(rounds + 1):
            for page in pages:
                for name, client in clients.items():
                    took, text = await timed(client, _asked(name, f"{address}/{page}"))
                    if number:
                        found.setdefault((page, name), []).append((took, len(text)))
    rows = [
        {**row(f"{page}: {name}", [took for took, _ in samples]), "note": f"{samples[0][1]:,} characters"}
        for (page, name), samples in found.items()
    ]
    middle = {key: median(took for took, _ in samples) for key, samples in found.items()}
    ratios = {_key(page): middle[page, OURS] / middle[page, PEER] for page in pages if (page, PEER) in middle}
    return rows, ratios


def _asked(server: str, url: str) -> tuple[str, Mapping[str, Any]]:
    if server == OURS:
        return "web_fetch", {"url": url}
    return "fetch", {"url": url, "max_length": 999_999}


def _key(page: str) -> str:
    return f"{page} / {PEER}"


def main(arguments: Sequence[str]) -> int:
    """On pages made here, or on the first twelve of a folder of `.html` files."""
    parser = argparse.ArgumentParser(prog="scripts/bench fetch")
    parser.add_argument("--data", type=Path, help="a folder of pages (*.html), in place of those made here")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds in place of {ROUNDS}")
    parser.add_argument("--json", action="store_true", help="also one JSON object, on the last line")
    asked = parser.parse_args(arguments)
    pages = PAGES
    if asked.data is not None:
        pages = {path.name: path.read_bytes() for path in sorted(asked.data.glob("*.html"))[:12]}
    with tempfile.TemporaryDirectory() as made:
        rows, ratios = anyio.run(run, Path(made).resolve(), pages, QUICK if asked.quick else ROUNDS)
    targets = {_key(page): TWENTIETH for page in pages}
    return report("fetch", rows, ratios, targets, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
