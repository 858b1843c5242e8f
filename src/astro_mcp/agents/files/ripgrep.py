"""Which of many files are worth reading, said by ripgrep where the machine has it. Blocks: for worker threads.

It is asked one thing: which of these files hold one of some texts. What fits, where, and what is told of it is decided
by reading those few files as all others are read, so a search has the same results without ripgrep.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from anyio import from_thread

from astro_mcp.agents.files.literals import Required
from astro_mcp.workspace.text import CODE_PAGES

PLACES: Final = "/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin"
FILES: Final = 6_000
CHARACTERS: Final = 300_000
"""Of the names that one process is given: systems bound what a program's arguments may weigh."""
AT_ONCE: Final = 2
FEW: Final = 100
"""Names that are not worth a process."""
TICK_SECONDS: Final = 0.05
_OPTIONS: Final = (
    *("--no-config", "--null", "--files-with-matches", "--no-messages", "--color=never", "--no-mmap", "--text"),
    *("--encoding=none", "--threads=2", "--regexp", r"\A(?-u:\xFF\xFE|\xFE\xFF|\x00\x00\xFE\xFF)"),
)
"""Bytes as they are; and what begins with a mark of UTF-16 or UTF-32 is always worth reading, since its text looks
otherwise."""


def program(roots: Sequence[Path]) -> str | None:
    """The ripgrep of this machine by its absolute path, None where there is none, or it lies in a workspace."""
    found = shutil.which("rg", path=PLACES)
    if found is None or any(Path(os.path.realpath(found)).is_relative_to(root) for root in roots):
        return None
    return found


class Sieve:
    """Takes the names of files below `root` and gives back, in their order, those that may have a hit."""

    def __init__(self, program: str, root: Path, required: Required, until: float) -> None:
        self._program = program
        self._expression = _expression(required)
        self._root = root
        self._until = until
        self._names: list[str] = []
        self._weight = 0
        self._running: list[_Asked] = []

    def offer(self, names: Sequence[str]) -> Iterator[str]:
        """Take `names`, relative to the root; gives those of earlier ones that are decided by now."""
        self._names += names
        self._weight += sum(map(len, names)) + 16 * len(names)
        if len(self._names) >= FILES or self._weight >= CHARACTERS:
            yield from self._ask()

    def rest(self) -> Iterator[str]:
        """Those of all that were not given yet."""
        if len(self._names) <= FEW and not self._running:
            yield from self._names
        elif self._names:
            yield from self._ask()
        while self._running:
            yield from self._running.pop(0).answer(self._until)

    def close(self) -> None:
        """End what still runs."""
        while self._running:
            self._running.pop().close()

    def _ask(self) -> Iterator[str]:
        if len(self._running) >= AT_ONCE:
            yield from self._running.pop(0).answer(self._until)
        self._running.append(_Asked(self._program, self._expression, self._root, [f"./{name}" for name in self._names]))
        self._names, self._weight = [], 0


class _Asked:
    """One process and the names that it was given."""

    def __init__(self, program: str, expression: str, root: Path, names: Sequence[str]) -> None:
        self._names = names
        self._process: subprocess.Popen[bytes] | None = None
        with suppress(OSError):  # too much for this system's arguments, or no program any more: nothing is sieved
            self._process = subprocess.Popen(  # noqa: S603 - a program of the machine; the names come after `--`
                [program, *_OPTIONS, "--regexp", expression, "--", *names],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=root,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )

    def answer(self, until: float) -> Sequence[str]:
        """The names, relative to the root, that may have a hit: all of them where the process did not end well before
        `until`."""
        names = [name.removeprefix("./") for name in self._names]
        if self._process is None:
            return names
        try:
            output = _output(self._process, until)
        finally:
            self.close()
        if output is None or self._process.returncode not in (0, 1):
            return names
        told = {os.fsdecode(name)[2:] for name in output.split(b"\0")}
        return [name for name in names if name in told]

    def close(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _output(process: subprocess.Popen[bytes], until: float) -> bytes | None:
    while True:
        from_thread.check_cancelled()
        try:
            return process.communicate(timeout=TICK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            if time.monotonic() > until:
                return None


def _expression(required: Required) -> str:
    """The texts in the syntax of ripgrep's own expressions, and as code pages write them where that is otherwise."""
    written = ["".join(map(_character, text)) for text in required.texts]
    written += [one for text in required.texts if not text.isascii() for one in _in_code_pages(text)]
    texts = "|".join(written)
    return f"(?i:{texts})" if required.ignore_case else f"(?:{texts})"


def _in_code_pages(text: str) -> Iterator[str]:
    for page in CODE_PAGES:
        with suppress(UnicodeEncodeError):  # no text of that page holds it
            yield "(?-u:" + "".join(f"\\x{byte:02X}" for byte in text.encode(page)) + ")"


def _character(character: str) -> str:
    plain = character.isalnum() or not character.isascii()
    return character if plain else f"\\x{{{ord(character):X}}}"
