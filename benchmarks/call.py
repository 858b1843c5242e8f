"""One call, p50: fs_read through shim, guards and audit, beside a bare SDK server's echo on stdio."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._report import report, row
from benchmarks._rpc import Server
from benchmarks.start import MINIMAL, SHIM, end_daemon

TARGETS = {"fs_read / echo": 1.5}
ROUNDS = 45
CALLS = 20
TEXT = "Per aspera ad astra.\n" * 20


def timed(server: Server, tool: str, arguments: dict[str, Any]) -> float:
    """Median seconds of a burst of calls, one after the other."""
    samples = []
    for _ in range(CALLS):
        began = time.perf_counter()
        result = server.ask("tools/call", {"name": tool, "arguments": arguments})
        samples.append(time.perf_counter() - began)
        if result.get("isError"):
            raise RuntimeError(f"{tool} failed: {result['content']}")
    return median(samples)


def main(arguments: Sequence[str]) -> int:
    """Bursts are interleaved, and both servers stay up between them. The ratio is the median of those of neighbouring
    bursts: a machine that gets slower meanwhile slows both of a pair."""
    with tempfile.TemporaryDirectory() as made:
        project, home = Path(made) / "project", Path(made) / "home"
        project.mkdir()
        home.mkdir(mode=0o700)
        (project / "motto.txt").write_text(TEXT)
        environment = {"ASTRO_MCP_HOME": str(home)}
        ours = Server([SHIM], project, environment)
        bare = Server([sys.executable, MINIMAL], project, environment)
        path = str(project / "motto.txt")
        contenders: dict[str, Callable[[], float]] = {
            "astro-mcp fs_read (shim, guards, audit)": lambda: timed(ours, "fs_read", {"path": "motto.txt"}),
            "minimal MCPServer, echo": lambda: timed(bare, "echo", {"text": TEXT}),
            "minimal MCPServer, unguarded read": lambda: timed(bare, "read", {"path": path}),
        }
        try:
            for server in (ours, bare):
                server.begin()
            for run in contenders.values():
                run()
            samples: dict[str, list[float]] = {label: [] for label in contenders}
            for _ in range(ROUNDS):
                for label, run in contenders.items():
                    samples[label].append(run())
        finally:
            ours.close()
            bare.close()
            end_daemon(home)
    read, echo, _ = samples.values()
    rows = [row(label, values) for label, values in samples.items()]
    ratio = median(one / other for one, other in zip(read, echo, strict=True))
    return report("call", rows, {"fs_read / echo": ratio}, TARGETS, as_json="--json" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
