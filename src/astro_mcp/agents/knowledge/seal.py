"""Tells whether the index's files are those of a clean end.

Chroma's files do not survive every `kill -9`: opening them may crash the process, or find the wrong things silently.
So a seal is written when the index was closed, and broken before it is opened again. Files without their seal, or not
as sealed to the byte, are never opened: they are deleted, and made again from the record.

While the index is open it has a loose seal, on its graphs alone as they were saved last: it is a kill in the middle of
a save that tears them. Where they are as they were then, what else is there may be looked at, with care.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

BYTES_PER_VECTOR: Final = 2600
"""What Chroma 1.5 needs on disk for a vector of 384 float32 (measured: 2,200 plus its share of the rest)."""
SLACK: Final = 32 * 1024 * 1024
State = Literal["whole", "loose", "gone"]


def most_bytes(vectors: int) -> int:
    """What an index of so many may take on disk."""
    return 3 * BYTES_PER_VECTOR * vectors + SLACK


class Seal:
    """The seal of `folder` lies beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder.with_name(f"{folder.name}.seal.json")
        self._saved: dict[str, tuple[int, int]] | None = None

    def put(self, fingerprint: str) -> None:
        """The files are closed and hold what `fingerprint` says."""
        self._write({"fingerprint": fingerprint, "files": self._digests(self._files())})

    def loosen(self, maker: str) -> None:
        """The folder is open; done again after each change, it costs something where a graph was saved. Only the same
        `maker` takes it up."""
        saved = {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in self._graphs()}
        if saved != self._saved:
            self._write({"maker": maker, "graphs": self._digests(self._graphs())})
            self._saved = saved

    def break_(self) -> None:
        """Whatever is there is not to be opened again."""
        self._saved = None
        self._path.unlink(missing_ok=True)
        _sync(self._path.parent)

    def take(self, fingerprint: str, maker: str, vectors: int) -> State:
        """Break the seal; what it was. Where it is gone, nothing is left of the folder."""
        state = self._state(fingerprint, maker)
        if sum(path.stat().st_size for path in self._files()) > most_bytes(vectors):
            state = "gone"
        self.break_()
        if state == "gone":
            self.clear()
        return state

    def clear(self) -> None:
        """Leave nothing of the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, body: dict[str, Any]) -> None:
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)
        _sync(self._path.parent)

    def _state(self, fingerprint: str, maker: str) -> State:
        try:
            found: Any = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return "gone"
        if found == {"maker": maker, "graphs": self._digests(self._graphs())}:
            return "loose"
        whole = found == {"fingerprint": fingerprint, "files": self._digests(self._files())}
        return "whole" if whole else "gone"

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.rglob("*") if path.is_file())

    def _graphs(self) -> list[Path]:
        return [path for path in self._files() if path.parent != self._folder]

    def _digests(self, paths: Iterable[Path]) -> dict[str, str]:
        found = {}
        for path in paths:
            with path.open("rb") as file:
                found[path.relative_to(self._folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
        return found


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
