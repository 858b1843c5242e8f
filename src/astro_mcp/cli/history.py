"""`astro-mcp workflow history`: what happened to a run, and what goes on to happen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from astro_mcp.cli.link import Link
from astro_mcp.cli.show import Printer

ENDED: Final = ("succeeded", "failed", "cancelled")
POLL_SECONDS: Final = 2
TOLD: Final = {"seq", "at", "kind", "step", "slots"}
"""Fields that have a column of their own, or are the driver's alone."""


def history(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    """Print every event; with `--follow` until the run has ended."""
    after = 0
    while True:
        over = not given.follow or _over(link, given.run_id)
        for event in _events(link, given.run_id):
            if event["seq"] > after:
                after = event["seq"]
                _print(printer, event)
        if over:
            return 0


def _over(link: Link, run_id: str) -> bool:
    """Whether it has ended by now, after a moment in which it may."""
    found = link.call("workflow_status", {"run_id": run_id, "wait_seconds": POLL_SECONDS})["structured"]
    return found["status"] in ENDED


def _events(link: Link, run_id: str) -> Iterator[dict[str, Any]]:
    arguments: dict[str, Any] = {"uri": f"astro://runs/{run_id}/history"}
    text = ""
    while arguments:
        page = link.call("astro_read", arguments)["structured"]
        text += page["text"]
        cursor = page.get("next_cursor")
        arguments = {**arguments, "cursor": cursor} if cursor else {}
    yield from map(json.loads, text.splitlines())


def _print(printer: Printer, event: dict[str, Any]) -> None:
    if printer.as_json:
        printer.json(event)
        return
    at = datetime.fromtimestamp(event["at"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
    error = event.get("error") or {}
    more = [f"{error['code']}: {error['message']}"] if error else []
    more += [
        f"{name}={json.dumps(event[name], ensure_ascii=False)[:80]}" for name in event if name not in {*TOLD, "error"}
    ]
    printer.line(f"{at}  {event['kind']:<10} {event['step']:<24} {'  '.join(more)}".rstrip())
