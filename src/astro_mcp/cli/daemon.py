"""`astro-mcp daemon status|stop`."""

from __future__ import annotations

import argparse

from astro_mcp.cli.link import Failure
from astro_mcp.cli.show import Printer
from astro_mcp.shim.place import ShimError
from astro_mcp.shim.pump import control


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Ask the running daemon; status 3 where none runs."""
    try:
        reply = control(given.action)
    except ShimError as error:
        raise Failure({"code": "unavailable", "message": error.message, "hint": "astro-mcp doctor"}) from None
    if reply is None:
        body: dict[str, object] = {"running": False}
        if printer.as_json:
            printer.json(body)
        else:
            printer.line("no daemon runs on this data folder; a host or a command starts one")
        return 0 if given.action == "stop" else 3
    if printer.as_json:
        printer.json({"running": given.action == "status", **reply})
    else:
        printer.table(["daemon", ""], sorted(reply.items()))
    return 0
