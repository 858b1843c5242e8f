"""`astro-mcp call`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from astro_mcp.cli.link import open_link, usage
from astro_mcp.cli.show import Printer

EXAMPLE: Final = """for example --args '{"path": "README.md"}'"""


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Call a tool and print its result."""
    arguments = parsed(sys.stdin.read() if given.args == "-" else given.args)
    with open_link(given.root) as link, printer.progress() as heard:
        result = link.call(given.tool, arguments, heard)
    printer.result(result["text"], result["structured"])
    return 0


def parsed(text: str) -> dict[str, Any]:
    """A JSON object; raises `Failure` with an example."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise usage(f"--args is no JSON: {error}", EXAMPLE) from None
    if not isinstance(value, dict):
        raise usage("--args is JSON, but no object", EXAMPLE)
    return value
