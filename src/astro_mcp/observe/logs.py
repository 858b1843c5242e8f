"""The daemon's log: one line an event, to stderr or a file, every line through `printable`."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from astro_mcp.observe.printable import printable


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        first, *rest = printable(super().format(record)).split("\n")
        return "\n".join([first, *(f"    {line}" for line in rest)])  # a line feed in a message forges no record


def to_stderr(level: int = logging.WARNING) -> None:
    """Log to stderr; stdout belongs to the protocol."""
    _install(logging.StreamHandler(sys.stderr), level)


def to_file(path: Path, level: int = logging.INFO) -> None:
    """Log to `path`, 5 MiB a file, three kept, readable by the owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = RotatingFileHandler(path, maxBytes=5 * 1024 * 1024, backupCount=3, encoding="utf-8", delay=True)
    _install(handler, level)


def _install(handler: logging.Handler, level: int) -> None:
    handler.setFormatter(_Printable("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("astro_mcp").setLevel(level)
