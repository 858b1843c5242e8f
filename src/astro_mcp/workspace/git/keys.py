"""Obvious keys in text that is about to be committed: formats that name themselves, no guesses about passwords."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

OF_A_FILE: Final = 100
"""Keys told of one file: whoever has so many needs no other."""
TOLD: Final = 1_000
"""Keys told of one commit or push."""

KINDS: Final[dict[str, re.Pattern[bytes]]] = {
    "private key": re.compile(rb"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    "AWS access key": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})\b"),
    "GitLab token": re.compile(rb"\bglpat-[A-Za-z0-9_-]{20,64}"),
    "Slack token": re.compile(rb"\bxox[abeoprs]-[A-Za-z0-9-]{20,250}"),
    "Google API key": re.compile(rb"\bAIza[0-9A-Za-z_-]{35}\b"),
    "Stripe key": re.compile(rb"\b[rs]k_live_[0-9A-Za-z]{20,250}"),
    "model provider key": re.compile(rb"\bsk-(?:ant-|proj-)[A-Za-z0-9_-]{20,250}"),
    "package registry token": re.compile(rb"\b(?:npm_[A-Za-z0-9]{36}\b|pypi-AgE[A-Za-z0-9_-]{50,250})"),
}


@dataclass(frozen=True, slots=True)
class Key:
    """Where something that looks like a key stands; its text is never handed on."""

    path: str
    line: int
    kind: str


def find_keys(path: str, data: bytes, known: bytes = b"") -> list[Key]:
    """What looks like a key in `data` and does not stand in `known` (the file as it is committed already); of those the
    first `OF_A_FILE`."""
    data, known = _utf8(data), _utf8(known)
    places: list[tuple[int, str]] = []
    for kind, pattern in KINDS.items():
        old = set(pattern.findall(known)) if known else set()
        news = (match.start() for match in pattern.finditer(data) if match[0] not in old)
        places += [(place, kind) for place in islice(news, OF_A_FILE)]
    found = []
    line, at = 1, 0
    for place, kind in sorted(places)[:OF_A_FILE]:
        line += data.count(b"\n", at, place)
        at = place
        found.append(Key(path, line, kind))
    return found


def _utf8(data: bytes) -> bytes:
    """What opens with the mark of UTF-16 is that, as PowerShell writes it, and would hide every key."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16", "replace").encode() if marked else data


def counted(keys: Sequence[object]) -> str:
    """How many there are; where not all are told, how many at least."""
    return f"{len(keys):,}" if len(keys) < OF_A_FILE else f"at least {len(keys):,}"
