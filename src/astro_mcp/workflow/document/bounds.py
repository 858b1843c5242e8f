"""How large a document may be."""

from __future__ import annotations

from typing import Final

BYTES: Final = 128 * 1024
DEPTH: Final = 32
"""Levels of lists and objects."""
VALUES: Final = 20_000
"""Texts, numbers, lists and objects together, in YAML."""
