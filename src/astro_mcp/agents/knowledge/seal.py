"""Tells whether the index's files are those of a clean end.

Chroma's files do not survive every `kill -9`: opening them may crash the process, or find the wrong things silently.
So a seal is written when the index was closed, and broken before it is opened again. Files without their seal, or not
as sealed to the byte, are never opened: they are deleted, and made again from the record.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

BYTES_PER_VECTOR: Final = 2600
"""What Chroma 1.5 needs on disk for a vector of 384 float32 (measured: 2,200 plus its share of the rest)."""
SLACK: Final = 32 * 1024 * 1024


class Seal:
    """The seal of `folder` lies beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder.with_name(f"{folder.name}.seal.json")

    def put(self, fingerprint: str) -> None:
        """The files are closed and hold what `fingerprint` says."""
        body = json.dumps({"fingerprint": fingerprint, "files": _digests(self._folder)})
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)
        _sync(self._path.parent)

    def take(self, fingerprint: str, vectors: int) -> bool:
        """Break the seal; whether it was whole. Where it was not, nothing is left of the folder."""
        whole = self._whole(fingerprint) and _size(self._folder) <= 3 * BYTES_PER_VECTOR * vectors + SLACK
        self._path.unlink(missing_ok=True)
        _sync(self._path.parent)
        if not whole:
            shutil.rmtree(self._folder, ignore_errors=True)
        return whole

    def _whole(self, fingerprint: str) -> bool:
        try:
            found: Any = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return False
        return bool(found == {"fingerprint": fingerprint, "files": _digests(self._folder)})


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
