"""Commands as a person or a program starts them: real processes, on pipes or on a terminal of their own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.daemon.home import NOTHING, PATIENCE, SHIM, Home

WIDTH = 80


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object of `--json`; nothing else may stand on stdout."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def environment(at: Home, extra: Mapping[str, str] = NOTHING) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "ASTRO_MCP_HOME": str(at.folder), **extra}


def run(
    at: Home, *arguments: str, given: str = "", extra: Mapping[str, str] = NOTHING, folder: Path | None = None
) -> Done:
    done = subprocess.run(
        [SHIM, *arguments],
        check=False,
        cwd=folder or at.project,
        env=environment(at, extra),
        input=given.encode(),
        capture_output=True,
        timeout=PATIENCE,
    )
    said = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in said.err, said.err
    return said


def on_terminal(at: Home, *arguments: str) -> Done:
    """The same on a terminal of 80 columns; stdout and stderr come as one, as a person sees them."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, WIDTH, 0, 0))
    process = subprocess.Popen(
        [SHIM, *arguments],
        cwd=at.project,
        env=environment(at, {"TERM": "xterm-256color"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # the other end of a terminal is told as an error
        while chunk := os.read(ours, 65536):
            seen += chunk
    os.close(ours)
    return Done(process.wait(PATIENCE), seen.decode(), "")
