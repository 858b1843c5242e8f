"""The tokens of CEL, as far as finding references and the end of an expression needs them.

Lexical rules: the CEL language definition, section "Syntax"; but for a line feed in a string, which is one here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""
      (?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))
    | (?P<number>[0-9][0-9A-Za-z_]*(?:\.[0-9]+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<space>\s+)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of source: its kind (string, number, name, mark), text, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


LONGEST: Final = 1_024
"""Characters that an expression has at most."""


def tokens(source: str, start: int = 0) -> Iterator[Token]:
    """The tokens from `start` on, as far as an expression may go, without white space; no CEL comes as marks."""
    for found in _TOKEN.finditer(source, start, start + LONGEST + 8):
        kind = found.lastgroup or "mark"
        if kind != "space":
            yield Token(kind, found.group(), found.start(), found.end())


def one_line(source: str) -> str:
    """`source` with the line feeds within its strings escaped: JSON and YAML make one of `'\\n'` before CEL sees it."""
    if "\n" not in source and "\r" not in source:
        return source
    out, position = [], 0
    for token in tokens(source):
        if token.kind == "string" and token.text[0] in "'\"" and token.text[:3] not in ("'''", '"""'):
            out += [source[position : token.start], token.text.replace("\n", "\\n").replace("\r", "\\r")]
            position = token.end
    return "".join(out) + source[position:]


def closing(source: str, start: int) -> int:
    """Where the `}}` stands that ends the expression from `start` on, or -1 where it is too far or nowhere; braces of
    maps and of strings are passed."""
    depth = 0
    for token in tokens(source, start):
        if token.text == "{":
            depth += 1
        elif token.text == "}" and depth:
            depth -= 1
        elif token.text == "}":
            return token.start if source.startswith("}}", token.start) else -1
    return -1
