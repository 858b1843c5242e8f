"""Bytes in files by (tenant, sha256): written whole or not at all, and never again."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path


class Blobs:
    """Content by address, in one folder. Blocking: call it from a thread. It knows of no scope."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, tenant: str, sha256: str) -> Path:
        """Where the content with that address is kept, if it is."""
        return self._folder / hashlib.sha256(tenant.encode()).hexdigest()[:16] / sha256[:2] / sha256

    def put(self, tenant: str, data: bytes) -> str:
        """Keep `data`; returns its sha256 once it is on disk. What is there already is as new."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(tenant, sha256)
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
            return sha256
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{sha256}.{os.urandom(6).hex()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return sha256

    def sweep(self, before: float) -> int:
        """Remove whatever was last put before that time (Unix seconds); how many files it were."""
        swept = 0
        for path in self._folder.glob("*/*/*"):
            with contextlib.suppress(FileNotFoundError):  # somebody else sweeps too
                if path.stat().st_mtime < before:
                    path.unlink()
                    swept += 1
        return swept
