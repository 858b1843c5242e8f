"""A project's TOML, read at a bounded cost.

The parser's memory and time grow with the square of a key's parts: 100 KB of dots would take all memory. What no
project writes is refused before it is parsed.
"""

from __future__ import annotations

import re
import tomllib
from itertools import accumulate
from typing import Any, Final

LARGEST: Final = 8_000_000
PARTS: Final = 16
LEVELS: Final = 20
TABLES: Final = 100_000
VALUES: Final = 500_000
WORD: Final = 1_000
_QUOTED: Final = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|"{1,2}(?!"))*+(?:"{3,5}|\Z)'
    r"|'''(?:[^']++|'{1,2}(?!'))*+(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+"
)
"""Strings and comments. One without an end goes on to where the parser stops at the latest."""
_DEEP: Final = re.compile(rf"(?:\.[^.=,\[\]{{}}\n]*+){{{PARTS}}}")
_LONG: Final = re.compile(rf"(?<![\w+-])[\w+-]{{{WORD + 1}}}")
_BRACKET: Final = re.compile(r"[\[\]{}]")


def toml(text: str) -> dict[str, Any]:
    """The document. Raises `ValueError` where it is none, and where it is larger than what is parsed."""
    _check(text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _check(text: str) -> None:
    """Raises `ValueError` for what costs too much."""
    if len(text) > LARGEST:
        raise ValueError(f"it is over {LARGEST // 1_000_000} MB")
    bare = _QUOTED.sub("", text)
    if sum(map(bare.count, ".[{")) > TABLES:
        raise ValueError(f"it has more than {TABLES:,} tables, arrays and parts of keys")
    if sum(map(bare.count, "=,]}\n")) + text.count("\\") > VALUES:
        raise ValueError(f"it has more than {VALUES:,} values, lines and escapes")
    if _DEEP.search(bare):
        raise ValueError(f"a key has more than {PARTS} parts")
    if _LONG.search(bare):
        raise ValueError(f"a number or a key has more than {WORD:,} characters")
    if max(accumulate(1 if one in "[{" else -1 for one in _BRACKET.findall(bare)), default=0) > LEVELS:
        raise ValueError(f"it is nested more than {LEVELS} levels deep")
