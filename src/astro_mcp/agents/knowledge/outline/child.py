"""The child that parses: a file's text in, its marks out, until stdin ends.

Grammars are programs in C that read what is hostile. So they run in a process of their own: a timer of processor time
and a limit of memory end it, it can open nothing, and what it answers are numbers that the parent checks.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from typing import Final

import tree_sitter_bash
import tree_sitter_c
import tree_sitter_c_sharp
import tree_sitter_cpp
import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_php
import tree_sitter_python
import tree_sitter_ruby
import tree_sitter_rust
import tree_sitter_typescript
from tree_sitter import Language, Parser

from astro_mcp.agents.knowledge.outline.grammars import GRAMMARS
from astro_mcp.agents.knowledge.outline.protocol import ANSWERED, ASKED, MARK
from astro_mcp.agents.knowledge.outline.walk import Found, Walk

MEMORY: Final = 512 * 1024**2
SECONDS: Final = 0.5
"""Processor time of a small file; a sound one takes a few thousandths."""
SECONDS_A_BYTE: Final = 3e-6
"""Processor time that goes with the length: sound code takes a tenth of it."""
LANGUAGES: Final[dict[str, Callable[[], object]]] = {
    "bash": tree_sitter_bash.language,
    "c": tree_sitter_c.language,
    "c_sharp": tree_sitter_c_sharp.language,
    "cpp": tree_sitter_cpp.language,
    "go": tree_sitter_go.language,
    "java": tree_sitter_java.language,
    "javascript": tree_sitter_javascript.language,
    "php": tree_sitter_php.language_php,
    "python": tree_sitter_python.language,
    "ruby": tree_sitter_ruby.language,
    "rust": tree_sitter_rust.language,
    "tsx": tree_sitter_typescript.language_tsx,
    "typescript": tree_sitter_typescript.language_typescript,
}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    parsers: dict[int, Parser] = {}
    while head := sys.stdin.buffer.read(ASKED.size):
        number, size = ASKED.unpack(head)
        data = sys.stdin.buffer.read(size)
        signal.setitimer(signal.ITIMER_PROF, SECONDS + SECONDS_A_BYTE * size)
        answer = _answer(parsers, number, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _answer(parsers: dict[int, Parser], number: int, data: bytes) -> bytes:
    try:
        if number not in parsers:
            parsers[number] = Parser(Language(LANGUAGES[GRAMMARS[number].name]()))
        found = outline(parsers[number], number, data)
    except (MemoryError, RecursionError):
        found = None
    if found is None:
        return ANSWERED.pack(0, 0)
    return ANSWERED.pack(1, len(found)) + b"".join(MARK.pack(*mark) for mark in found)


def outline(parser: Parser, number: int, data: bytes) -> list[Found] | None:
    """The marks of a file in characters; None where the grammar does not know most of it."""
    walk = Walk(GRAMMARS[number])
    found = walk.marks(parser.parse(data).root_node)
    if walk.broken > len(data) // 2:
        return None
    return found if data.isascii() else _characters(found, data)


def _characters(found: list[Found], data: bytes) -> list[Found]:
    """The same marks, counted in characters, in one go over the text."""
    place: dict[int, int] = {}
    characters = before = 0
    for offset in sorted({offset for mark in found for offset in mark}):
        characters += len(data[before:offset].decode("utf-8", "replace"))
        place[offset] = characters
        before = offset
    return [(place[start], place[end], place[name]) for start, end, name in found]


if __name__ == "__main__":
    main()
