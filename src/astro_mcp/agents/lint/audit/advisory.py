"""An advisory in OSV's format (https://ossf.github.io/osv-schema/), as far as it is used. It is strangers' text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from astro_mcp.agents.lint.audit.inventory import Pin
from astro_mcp.agents.lint.audit.severity import WORDS, Word, score, word
from astro_mcp.agents.lint.audit.versions import next_fixed
from astro_mcp.errors import ProviderFailed
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.tables import table

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}")
VERSION: Final = re.compile(r"[\w.+!-]{1,100}")
SUMMARY: Final = 300
NAME: Final = 300
MOST: Final = 2_000
"""Packages, ranges and events of one advisory that are looked at."""


@dataclass(frozen=True, slots=True)
class Affected:
    """A package, and its ranges of versions, without those of commits: each one's type, and where it is mended."""

    ecosystem: str
    name: str
    ranges: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Advisory:
    """`affected` keeps the order of the advisory: who reads it may take one entry of a package and not the others."""

    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    severity: Word = "unknown"
    affected: tuple[Affected, ...] = ()
    withdrawn: bool = False

    def fixed_in(self, pin: Pin) -> str:
        """The next version of the package of `pin` that is mended; empty where none is named."""
        its = (one for one in self.affected if (one.ecosystem, one.name) == (pin.ecosystem, pin.name))
        named = (version for one in its for _, fixed in one.ranges for version in fixed)
        return next_fixed(pin.ecosystem, pin.version, named)


def parse(data: bytes) -> Advisory:
    """Raises `ProviderFailed` for what is no advisory. Blocks for as long as its bytes, which are bounded, take."""
    try:
        body = table(json.loads(data))
    except (ValueError, RecursionError):
        raise ProviderFailed("an advisory is not JSON", retryable=False) from None
    if not is_id(body.get("id")):
        raise ProviderFailed("an advisory has no id", retryable=False)
    aliases = [alias for alias in _list(body.get("aliases")) if is_id(alias)]
    text = str(body.get("summary") or body.get("details") or "")
    return Advisory(
        body["id"],
        tuple(dict.fromkeys(aliases))[:20],
        " ".join(printable(text[: 4 * SUMMARY]).split())[:SUMMARY],
        _severity(body),
        tuple(_affected(body)),
        bool(body.get("withdrawn")),
    )


def is_id(value: object) -> bool:
    """Whether it may stand in an address and in an answer."""
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _severity(body: dict[str, Any]) -> Word:
    """The database's own word; else that of a CVSS 3 score. What is published as malicious is as bad as can be."""
    if body["id"].startswith("MAL-"):
        return "critical"
    own = str(table(body.get("database_specific")).get("severity", "")).lower()
    if own in WORDS:
        return WORDS[own]
    bases = [score(str(table(entry).get("score"))[:200]) for entry in _list(body.get("severity"))]
    known = [base for base in bases if base is not None]
    return word(max(known)) if known else "unknown"


def _affected(body: dict[str, Any]) -> Iterator[Affected]:
    left = 2 * MOST  # ranges, and versions in them
    for entry in map(table, _list(body.get("affected"))):
        package = table(entry.get("package"))
        ecosystem, name = package.get("ecosystem"), package.get("name")
        ranges = []
        for span in map(table, _list(entry.get("ranges"))):
            if span.get("type") == "GIT" or left <= 0:
                continue
            events = [table(event).get("fixed") for event in _list(span.get("events"))]
            fixed = tuple(each for each in events if isinstance(each, str) and VERSION.fullmatch(each))[:left]
            ranges.append((str(span.get("type"))[:20], fixed))
            left -= 1 + len(fixed)
        if isinstance(ecosystem, str) and isinstance(name, str):
            yield Affected(ecosystem[:NAME], name[:NAME], tuple(ranges))


def _list(value: object) -> list[Any]:
    return value[:MOST] if isinstance(value, list) else []
