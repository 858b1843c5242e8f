"""Wheels that were built from source, kept by a key that holds the tenant and the source's hash."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Final

from astro_mcp.sandbox import unfinished

MOST_BYTES: Final = 512 << 20


class BuiltWheels:
    """One folder below `folder` for each key, with one wheel in it. Blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def put(self, key: str, target: Path) -> bool:
        """A copy of the wheel of `key` into the folder `target`, where there is one. Counts as a use."""
        with self._lock:
            for wheel in (self._folder / key).glob("*.whl"):
                shutil.copyfile(wheel, target / wheel.name)
                os.utime(wheel)
                return True
        return False

    def keep(self, key: str, name: str, data: bytes) -> None:
        """Keep one; where all of them hold more than 512 MiB, the least recently used go."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = self._folder / unfinished.name()
            made.mkdir(mode=0o700)
            (made / name).write_bytes(data)
            shutil.rmtree(self._folder / key, ignore_errors=True)
            os.rename(made, self._folder / key)
            self._prune(key)

    def _prune(self, newest: str) -> None:
        wheels = {path: path.stat() for path in self._folder.glob("*/*.whl")}
        total = sum(status.st_size for status in wheels.values())
        for path in sorted(wheels, key=lambda path: wheels[path].st_mtime):
            if total > MOST_BYTES and path.parent.name != newest:
                total -= wheels[path].st_size
                shutil.rmtree(path.parent)
