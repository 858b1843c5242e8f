"""What lies outside of the roots, watched: whether anything of it was read, run, changed or made."""

from __future__ import annotations

import os
from pathlib import Path


class Outside:
    """Every file of a folder. A read sets a file's time of access where that is older than its change (relatime)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: dict[Path, tuple[int, int, int]] = {}

    def watch(self) -> None:
        """From here on."""
        for path in self._files():
            os.utime(path, ns=(1, path.stat().st_mtime_ns), follow_symlinks=True)
        self._before = self._state()

    def touched(self) -> list[str]:
        """The names of the files that were read, run, changed, made or removed since `watch`."""
        after = self._state()
        return sorted(path.name for path in {*self._before, *after} if self._before.get(path) != after.get(path))

    def _files(self) -> list[Path]:
        return [path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink()]

    def _state(self) -> dict[Path, tuple[int, int, int]]:
        found = {}
        for path in self._files():
            status = path.stat()
            found[path] = (status.st_atime_ns, status.st_mtime_ns, status.st_size)
        return found
