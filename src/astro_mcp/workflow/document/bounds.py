"""How large a document may be."""

from __future__ import annotations

from typing import Final

BYTES: Final = 128 * 1024
DEPTH: Final = 32
"""Levels of lists and objects."""
VALUES: Final = 20_000
"""Texts, numbers, lists and objects together, in YAML."""
MARKED: Final = 2_000
"""Expressions in all."""
EXPRESSIONS: Final = 400
"""Different ones that are more than a path: each takes its millisecond to check."""
TEXT_EXPRESSIONS: Final = 200
"""In one text."""
MOST: Final = 100
"""Problems that are told; a document with more is not corrected one by one."""
