"""How the command line prints: tables and colours for people, one JSON object for programs, `printable` for both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from astro_mcp.cli.link import Heard
from astro_mcp.observe.printable import printable

STYLES: Final = {
    "succeeded": "green",
    "failed": "red",
    "lost": "red",
    "cancelled": "yellow",
    "waiting": "yellow",
    "paused": "yellow",
    "running": "cyan",
    "skipped": "dim",
}


class Printer:
    """stdout for results, stderr for errors and progress."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        if isinstance(sys.stdout, TextIOWrapper):  # a terminal's alphabet may lack our characters: escapes then
            sys.stdout.reconfigure(errors="backslashreplace")
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def result(self, text: str, structured: Mapping[str, Any]) -> None:
        """A tool's result: its text for people, its structure for programs."""
        if self.as_json:
            self.json(structured)
        else:
            sys.stdout.write(printable(text).rstrip("\n") + "\n")

    def json(self, value: Any) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=True, sort_keys=True) + "\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Rows under headings, each value whole and on one line however wide; a status is shown in its colour."""
        cells = [[_cell(value) for value in row] for row in rows]
        widths = [max(cell_len(cell) for cell in column) for column in zip(columns, *cells, strict=True)]
        self._row(columns, widths, "bold")
        for row in cells:
            self._row(row, widths)

    def _row(self, cells: Sequence[str], widths: Sequence[int], style: str = "") -> None:
        line = Text()
        for cell, width in zip(cells, widths, strict=True):
            line.append(cell, style or STYLES.get(cell, ""))
            line.append(" " * (width - cell_len(cell) + 2))
        line.rstrip()
        self._out.print(line)

    def line(self, text: str, style: str = "") -> None:
        self._out.print(escape(printable(text)), style=style)

    def note(self, text: str) -> None:
        """A word to a person beside the result."""
        if not self.as_json:
            self._err.print(escape(printable(text)), style="dim")

    def error(self, error: Mapping[str, Any]) -> None:
        """An error as its JSON form on stdout, or in words on stderr."""
        if self.as_json:
            self.json({"error": dict(error)})
            return
        self._err.print(f"[red bold]{error.get('code')}[/] {escape(printable(str(error.get('message', ''))))}")
        if hint := str(error.get("hint", "")):
            self._err.print(f"[dim]hint:[/] {escape(printable(hint))}")
        for problem in error.get("problems", ()):
            where, why, use = (printable(str(problem.get(key, ""))) for key in ("path", "reason", "suggestion"))
            self._err.print(f"  [bold]{escape(where)}[/] {escape(why)}" + (f" [dim]→ {escape(use)}[/]" if use else ""))

    @contextmanager
    def progress(self) -> Iterator[Heard | None]:
        """A live line on a terminal's stderr; nothing where a program listens."""
        if self.as_json or not self._err.is_terminal:
            yield None
            return
        from rich.progress import (  # noqa: PLC0415 - a terminal alone pays for it
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True) as shown:
            task = shown.add_task("", total=None)

            def heard(params: Mapping[str, Any]) -> None:
                text = escape(printable(str(params.get("message") or ""), 60))
                shown.update(task, completed=params.get("progress", 0), total=params.get("total"), description=text)

            yield heard


def _cell(value: Any) -> str:
    return printable("" if value is None else str(value)).replace("\n", "\\n").replace("\t", "\\t")
