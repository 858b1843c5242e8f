"""`astro-mcp audit`."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

import anyio

from astro_mcp.cli.show import Printer
from astro_mcp.errors import NotFound
from astro_mcp.shim.place import data_folder
from astro_mcp.store.audit import read_trail

COLUMNS = (
    "at",
    "phase",
    "tool",
    "effects",
    "code",
    "duration_ms",
    "kind",
    "principal",
    "run_id",
    "step",
    "call_id",
    "flow",
)


def run(given: argparse.Namespace, printer: Printer) -> int:
    """The newest records of the trail, oldest first."""
    path = Path(data_folder(dict(os.environ))) / "astro.db"
    if not path.exists():
        raise NotFound(f"there is no store at {path}", "a host or a command that calls a tool makes one")
    records = [{name: row[name] for name in COLUMNS} for row in reversed(anyio.run(read_trail, path, given.last))]
    if printer.as_json:
        printer.json({"items": records})
        return 0
    shown = (
        (
            datetime.fromtimestamp(record["at"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
            record["phase"],
            record["tool"],
            record["effects"],
            record["code"],
            "" if record["duration_ms"] is None else f"{record['duration_ms']:.1f}",
            record["kind"],
            record["step"] or "",
            record["flow"],
        )
        for record in records
    )
    printer.table(["at (UTC)", "phase", "tool", "effects", "code", "ms", "door", "step", "flow"], shown)
    return 0
