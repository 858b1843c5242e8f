"""How long an answer may stand for the page: RFC 9111, for a cache that only its scope reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = 86_400.0
UNTOLD: Final = 60.0
"""Seconds where the server says nothing at all."""
GUESSED: Final = 3_600.0
"""Seconds at most where only the last change is known: a tenth of the page's age then (RFC 9111, 4.2.2)."""
OURS: Final = frozenset({"accept", "accept-encoding", "accept-language", "user-agent", ""})
"""What is the same in each of our requests, so that an answer may differ by it."""


def fresh_until(headers: Mapping[str, str], now: float) -> float | None:
    """Unix seconds until which an answer that came at `now` needs no question; None where it is not to be kept."""
    directives = _directives(headers.get("cache-control", ""))
    varies = {name.strip().lower() for name in headers.get("vary", "").split(",")}
    if "no-store" in directives or not varies <= OURS:
        return None
    if "no-cache" in directives:
        return now
    return now + max(0.0, min(_lifetime(headers, directives, now) - _number(headers.get("age", "")), LONGEST))


def _lifetime(headers: Mapping[str, str], directives: Mapping[str, str], now: float) -> float:
    if "max-age" in directives:
        return _number(directives["max-age"])
    sent = _time(headers.get("date", "")) or now
    if "expires" in headers:
        return (_time(headers["expires"]) or 0.0) - sent  # what can't be read is in the past
    changed = _time(headers.get("last-modified", ""))
    return min((sent - changed) / 10, GUESSED) if changed else UNTOLD


def _directives(header: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in header.split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


def _number(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0.0


def _time(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
