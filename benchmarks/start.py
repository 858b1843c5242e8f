"""From spawn to the answered tools/list: the shim, the first start, a minimal SDK server, mcp-server-git."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from json import loads
from pathlib import Path
from statistics import median

from benchmarks._report import report, row
from benchmarks._rpc import Server

SHIM = str(Path(sys.executable).parent / "astro-mcp")
MINIMAL = str(Path(__file__).with_name("_minimal.py"))
TARGETS = {"shim / minimal": 0.1, "first start / minimal": 1.4}
ROUNDS = 9


def started(command: Sequence[str], project: Path, home: Path) -> float:
    """Seconds from spawn to the answer of tools/list."""
    began = time.perf_counter()
    server = Server(command, project, {"ASTRO_MCP_HOME": str(home)})
    try:
        server.begin()
        server.ask("tools/list", {})
        return time.perf_counter() - began
    finally:
        server.close()


def first(project: Path, folder: Path) -> float:
    """The same in a new data folder, where the shim has to start the daemon."""
    home = Path(tempfile.mkdtemp(dir=folder))
    try:
        return started([SHIM], project, home)
    finally:
        end_daemon(home)


def end_daemon(home: Path) -> None:
    """Stop the folder's daemon and wait until it is gone."""
    pid = int(loads((home / "lock").read_text())["pid"])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while True:
            os.kill(pid, 0)
            time.sleep(0.01)


def main(arguments: Sequence[str]) -> int:
    """Rounds are interleaved: whatever else the machine does meets all of them alike."""
    peer = Path(os.environ.get("ASTRO_BENCH_PEERS", "")) / "bin" / "mcp-server-git"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        project, home = folder / "project", folder / "home"
        project.mkdir()
        home.mkdir(mode=0o700)
        contenders: dict[str, Callable[[], float]] = {
            "astro-mcp, daemon running (the shim)": lambda: started([SHIM], project, home),
            "astro-mcp, first start": lambda: first(project, folder),
            "minimal MCPServer": lambda: started([sys.executable, MINIMAL], project, home),
        }
        if peer.is_file():
            contenders["mcp-server-git"] = lambda: started([str(peer)], project, home)
        for run in contenders.values():
            run()  # warms the page cache, and starts the daemon for the first of them
        samples: dict[str, list[float]] = {label: [] for label in contenders}
        for _ in range(ROUNDS):
            for label, run in contenders.items():
                samples[label].append(run())
        end_daemon(home)
    shim, start, minimal = (median(values) for values in list(samples.values())[:3])
    rows = [row(label, values) for label, values in samples.items()]
    if not peer.is_file():
        rows.append({"name": "mcp-server-git", "note": "not installed: ASTRO_BENCH_PEERS names no such environment"})
    ratios = {"shim / minimal": shim / minimal, "first start / minimal": start / minimal}
    if peer.is_file():
        ratios["shim / mcp-server-git"] = shim / median(samples["mcp-server-git"])
    return report("start", rows, ratios, TARGETS, as_json="--json" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
