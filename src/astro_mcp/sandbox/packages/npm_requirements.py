"""What may be asked for of npm: names and ranges of versions. Everything else that npm understands is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from astro_mcp.sandbox.packages.requirements import each

HINT: Final = "write names and ranges, such as lodash or @scope/name@^1.2; no tags, aliases, paths or addresses"
NAME: Final = re.compile(r"(@[a-z0-9][a-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_NAME: Final = 214
NO_NAMES: Final = frozenset({"node_modules", "favicon.ico"})
_PART: Final = r"(\d{1,16}|[xX*])"
_VERSION: Final = re.compile(rf"v?{_PART}(\.{_PART}){{0,2}}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_COMPARATOR: Final = re.compile(rf"(\^|~>?|[<>]=?|=)?{_VERSION.pattern}")
_GAP: Final = re.compile(r"(\^|~>?|[<>]=?|=) +")


def canonical(requirements: Sequence[str]) -> tuple[str, ...]:
    """`name@range`, sorted, each once; a name alone and `name@latest` are `name@*`, which npm takes for the newest.

    Raises `InvalidInput` with every text that is none, or asks for a name in another range than one before it.
    """
    ranges: dict[str, str] = {}

    def read(text: str) -> str:
        name, versions = _parsed(text.strip())
        if ranges.setdefault(name, versions) != versions:
            raise ValueError(f"{name} is asked for as {ranges[name]} before")
        return f"{name}@{versions}"

    return tuple(sorted(set(each(requirements, read, HINT))))


def split(requirement: str) -> tuple[str, str]:
    """Name and range of `name@range`; the range is empty where there is none."""
    at = requirement.find("@", 1)
    return (requirement, "") if at < 0 else (requirement[:at], requirement[at + 1 :])


def is_name(text: str) -> bool:
    """Whether it names a package, and so is a safe folder below another."""
    return len(text) <= LONGEST_NAME and text not in NO_NAMES and NAME.fullmatch(text) is not None


def _parsed(text: str) -> tuple[str, str]:
    name, versions = split(text)
    if not is_name(name):
        raise ValueError("no name of a package")
    if text == name or versions == "latest":
        return name, "*"
    return name, " || ".join(_set(part) for part in versions.split("||"))


def _set(text: str) -> str:
    """Comparators that hold together, or one hyphen range (node-semver's grammar)."""
    words = _GAP.sub(r"\1", text).split()
    versions, pattern = (words[::2], _VERSION) if words[1:2] == ["-"] and len(words) == 3 else (words, _COMPARATOR)
    if not words or not all(pattern.fullmatch(word) for word in versions):
        raise ValueError("what follows the @ is no range of versions")
    return " ".join(words)
