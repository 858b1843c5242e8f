"""What is being made below the data folder's `images/`: named for its owner, so that what a killed one left can go."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Final
from uuid import uuid4

from astro_mcp.sandbox import owner

PREFIX: Final = "making-"


def name() -> str:
    """One that nothing else has, for a file or folder until it is whole."""
    return f"{PREFIX}{owner.process().replace(':', '-')}-{_boot()}-{uuid4().hex}"


def sweep(folder: Path) -> None:
    """Remove what owners that are gone left in `folder` and in the folders there. Blocks."""
    for path in (*folder.glob(f"{PREFIX}*"), *folder.glob(f"*/{PREFIX}*")):
        if not _is_orphan(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def _is_orphan(made: str) -> bool:
    pid, started, boot, _ = (*made.removeprefix(PREFIX).split("-"), "", "", "", "")[:4]
    return boot != _boot() or owner.is_gone(f"{pid}:{started}")


def _boot() -> str:
    return owner.boot().replace("-", "")
