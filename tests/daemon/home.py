"""A data folder of a test's own, and hosts that start shims on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio

from astro_mcp.sandbox import owner
from astro_mcp.store.audit import read_trail
from astro_mcp.store.connection import Row

SHIM = str(Path(sys.executable).parent / "astro-mcp")
PATIENCE = 60.0
"""Seconds; a guard, which costs nothing where all is well."""
NOTHING: Mapping[str, str] = MappingProxyType({})
SLEEP = {"language": "python", "code": "import time; time.sleep(300)", "timeout": 300}
"""Arguments of a `code_run` that is still at work when a test ends it."""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


@dataclass
class Host:
    """A started server and the two pipes that a host holds."""

    process: subprocess.Popen[bytes]

    def send(self, message: dict[str, Any]) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline() or b"null")

    def ask(self, method: str, params: dict[str, Any] | None = None, request_id: int = 1) -> Any:
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}})
        return self.answer()

    def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        return self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]

    def start(self, tool: str, arguments: dict[str, Any], request_id: int = 1) -> None:
        """Call without waiting for the answer."""
        params = {"name": tool, "arguments": arguments}
        self.send({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params})

    def begin(self) -> Any:
        self.send(INITIALIZE)
        said = self.answer()
        if said is not None:
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return said

    def end(self) -> tuple[int, str]:
        """End of input; returns the exit status and what stood on stderr."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.wait()

    def wait(self) -> tuple[int, str]:
        assert self.process.stderr is not None
        said = self.process.stderr.read().decode()
        return self.process.wait(PATIENCE), said


@dataclass
class Home:
    """One data folder; ends what was started on it."""

    folder: Path
    project: Path
    environment: dict[str, str] = field(default_factory=dict)
    hosts: list[Host] = field(default_factory=list)

    def host(self, *options: str, command: tuple[str, ...] = (SHIM,), extra: Mapping[str, str] = NOTHING) -> Host:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "ASTRO_MCP_HOME": str(self.folder),
            **self.environment,
            **extra,
        }
        process = subprocess.Popen(
            [*command, *options],
            cwd=self.project,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=hears_interrupts,  # noqa: PLW1509 - one system call, no lock
        )
        self.hosts.append(Host(process))
        return self.hosts[-1]

    @property
    def owner(self) -> dict[str, Any]:
        """What the lock's holder says of itself; empty where nobody holds it."""
        try:
            return dict(json.loads((self.folder / "lock").read_text() or "{}"))
        except (OSError, ValueError):
            return {}

    @property
    def pid(self) -> int:
        return int(self.owner["pid"])

    def calls(self, tool: str) -> list[Row]:
        """What the audit trail has of the tool, oldest first, once a server was ready here."""
        rows = anyio.run(read_trail, self.folder / "astro.db", 50)
        return [row for row in reversed(rows) if row["tool"] == tool]

    def containers(self) -> list[str]:
        """This folder's containers, in any state."""
        label = f"label={owner.HOUSE}={owner.house(self.folder / 'images')}"
        listed = subprocess.run(["docker", "ps", "-aq", "--filter", label], check=True, capture_output=True, text=True)
        return listed.stdout.split()

    def end_hosts(self) -> None:
        for host in self.hosts:
            if host.process.poll() is None:
                host.process.kill()
            host.process.wait()
            for pipe in (host.process.stdin, host.process.stdout, host.process.stderr):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        self.hosts.clear()

    def close(self) -> None:
        self.end_hosts()
        if pid := self.owner.get("pid"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def home(folder: Path) -> Iterator[Home]:
    project = folder / "project"
    project.mkdir()
    made = Home(folder / "home", project)
    try:
        yield made
    finally:
        made.close()


def hears_interrupts() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and a child of the tests inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(condition: Any) -> None:
    """Wait for what another process does."""
    patience = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < patience, "it did not happen"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
