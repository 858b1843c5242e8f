"""The data folder's exclusive lock: one owner at a time, who says who it is."""

from __future__ import annotations

import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

from astro_mcp.errors import Unavailable

DRAIN_SECONDS: Final = 6.0
"""How long to wait for an owner that says that it is about to end."""


class FolderLock:
    """Held from `acquire` to the end of the process, or to `release`. The kernel gives it back after a kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._facts: dict[str, Any] = {}
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    async def acquire(self, kind: str) -> None:
        """Take the lock; raises `Unavailable` that names the owner. Waits only for one that is ending."""
        patience = time.monotonic() + DRAIN_SECONDS
        while not self._try():
            owner = self._owner()
            if not owner.get("ending") or time.monotonic() > patience:
                raise self._taken(owner)
            await anyio.sleep(0.02)
        self.note(pid=os.getpid(), kind=kind, since=datetime.now(UTC).isoformat(timespec="seconds"))

    def note(self, **facts: Any) -> None:
        """Tell whoever reads the file: `socket` where the daemon listens, `ending` once it drains."""
        self._facts.update(facts)
        data = json.dumps(self._facts).encode()
        os.pwrite(self._descriptor, data + b"\n", 0)
        os.ftruncate(self._descriptor, len(data) + 1)

    @property
    def facts(self) -> dict[str, Any]:
        return dict(self._facts)

    def release(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _owner(self) -> dict[str, Any]:
        try:
            found = json.loads(os.pread(self._descriptor, 4096, 0))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _taken(self, owner: dict[str, Any]) -> Unavailable:
        who = f"{owner.get('kind', 'another process')} with pid {owner.get('pid', '?')} since {owner.get('since', '?')}"
        hint = "astro-mcp daemon stop" if owner.get("kind") == "daemon" else "end that process, or set ASTRO_MCP_HOME"
        return Unavailable(f"the data folder {self.folder} is in use by the {who}", hint, retryable=False)
