"""`astro-mcp call`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from astro_mcp.cli.link import open_link
from astro_mcp.cli.show import Printer
from astro_mcp.errors import InvalidInput


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Call a tool and print its result."""
    arguments = parsed(sys.stdin.read() if given.args == "-" else given.args)
    with open_link(given.root) as link, printer.progress() as heard:
        result = link.call(given.tool, arguments, heard)
    printer.result(result["text"], result["structured"])
    return 0


def parsed(text: str) -> dict[str, Any]:
    """A JSON object; raises `InvalidInput` with an example."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"--args is no JSON: {error}", """for example --args '{"path": "README.md"}'""") from None
    if not isinstance(value, dict):
        raise InvalidInput("--args is JSON, but no object", """for example --args '{"path": "README.md"}'""")
    return value
