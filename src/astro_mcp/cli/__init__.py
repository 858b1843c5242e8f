"""The command line: the same tools as a host's, for a person at a terminal, or a program with `--json`."""

from astro_mcp.cli.parser import main

__all__ = ["main"]
