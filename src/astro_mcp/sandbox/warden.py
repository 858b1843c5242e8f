"""Starts the child that removes what this process leaves when it is killed (`warden_child.py`)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from astro_mcp.sandbox import owner
from astro_mcp.sandbox.address import Address

SCRIPT: Final = Path(__file__).with_name("warden_child.py")
END_SECONDS: Final = 5.0


class Warden:
    """Alive from here to `close`; blocks for some milliseconds to start."""

    def __init__(self, address: Address, labels: Mapping[str, str]) -> None:
        engine = address.path or f"{address.host}:{address.port}"
        ours = [f"{name}={labels[name]}" for name in (owner.HOUSE, owner.PROCESS)]
        self._process = subprocess.Popen(  # noqa: S603 - our own script, by our own interpreter
            [sys.executable, "-I", "-S", str(SCRIPT), engine, *ours],
            stdin=subprocess.PIPE,  # its end is this process's
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,  # what ends this process's group does not end its warden
        )

    def close(self) -> None:
        """Nothing is left to remove."""
        self._process.kill()
        self._process.wait(END_SECONDS)
        if self._process.stdin is not None:
            self._process.stdin.close()
