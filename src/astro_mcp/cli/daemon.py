"""`astro-mcp daemon status|stop`."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any, Final

from astro_mcp.cli.show import Printer
from astro_mcp.shim.place import data_folder
from astro_mcp.shim.pump import control

END_SECONDS: Final = 6.0


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Ask the running daemon, and wait for the end of one that is stopped; status 3 where none runs."""
    reply = control(given.action)
    if reply is None:
        if printer.as_json:
            printer.json({"running": False})
        else:
            printer.line("no daemon runs on this data folder; a host or a command starts one")
        return 0 if given.action == "stop" else 3
    running = given.action == "status" or not _ended(int(reply["pid"]))
    if printer.as_json:
        printer.json({**reply, "running": running})
    elif given.action == "stop":
        printer.line(f"the daemon with pid {reply['pid']} {'is ending' if running else 'has ended'}")
    else:
        printer.table(["daemon", ""], [("running", True), *_facts(reply)])
    return 0


def _facts(reply: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted((name, value) for name, value in reply.items() if name != "ok")


def _ended(pid: int) -> bool:
    """Wait until the process is gone, or has given the folder back: the moment in which another one can take it."""
    lock = Path(data_folder(os.environ)) / "lock"
    patience = time.monotonic() + END_SECONDS
    while time.monotonic() < patience:
        try:
            os.kill(pid, 0)
            if json.loads(lock.read_text(encoding="utf-8") or "{}").get("pid") != pid:
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        except ValueError:
            pass  # read in the middle of a write: once more
        time.sleep(0.02)
    return False
