"""`astro-mcp worker --temporal ADDRESS`: carries out runs that a Temporal server keeps, and serves no host."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.app.app import open_app
from astro_mcp.cli.link import Failure
from astro_mcp.cli.show import Printer
from astro_mcp.daemon.lock import FolderLock
from astro_mcp.daemon.run import LOOP, describe
from astro_mcp.observe.logs import to_file
from astro_mcp.shim.place import data_folder, make_private

log = logging.getLogger(__name__)

END_SECONDS: Final = 30
"""From the signal to a hard end: what is in flight is cancelled, and containers are removed meanwhile."""


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Work until SIGTERM or SIGINT; the data folder is its own, and no daemon's."""
    folder = data_folder(os.environ)
    make_private(folder)
    to_file(Path(folder) / "logs" / "worker.log")
    try:
        anyio.run(_work, Path(folder), given.temporal, printer, backend_options=LOOP)
    except Exception as error:
        log.exception("the worker ended")
        told = describe(error)
        raise Failure(told, told.pop("exit")) from error
    return 0


async def _work(folder: Path, address: str, printer: Printer) -> None:
    temporal = {"DRIVER": "temporal", "TEMPORAL__ADDRESS": address, "TEMPORAL__WORKER": "true"}
    environment = {**os.environ, **{f"ASTRO_MCP_WORKFLOW__{name}": value for name, value in temporal.items()}}
    lock = FolderLock(folder)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        await lock.acquire("worker")
        try:
            async with open_app(folder, environment) as app:
                await app.scheduler.get()
                where = app.settings.workflow.temporal
                if printer.as_json:
                    printer.json({"ok": True, "address": where.address, "namespace": where.namespace})
                    sys.stdout.flush()
                else:
                    printer.line(f"working for {where.address}, namespace {where.namespace}; end it with Ctrl-C")
                await anext(aiter(signals))
                log.info("ending")
                signal.alarm(END_SECONDS)
        finally:
            lock.release()
            log.info("ended")
