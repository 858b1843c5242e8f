"""One package that is needed: its name, extras and versions, and the environment that it is needed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astro_mcp.sandbox.packages.requirements import LONGEST

LONGEST_MARKER: Final = 2_000
MOST: Final = 1_000
"""Entries that are looked at in one file; what is taken of them has a lower bound."""
UNKNOWN: Final = "not a name with versions"


@dataclass(frozen=True, slots=True)
class Dependency:
    """`versions` are alternatives, one of which holds. Not `by_name`: from an address or a folder. `optional`: needed
    where an extra names it."""

    name: str
    extras: frozenset[str]
    versions: tuple[SpecifierSet, ...]
    marker: Marker | None = None
    by_name: bool = True
    optional: bool = False

    @classmethod
    def of(cls, requirement: Requirement) -> Dependency:
        """What `requirement` (PEP 508) says."""
        extras, versions = frozenset(requirement.extras), (requirement.specifier,)
        return cls(requirement.name, extras, versions, requirement.marker, requirement.url is None)

    @property
    def key(self) -> NormalizedName:
        return canonicalize_name(self.name)

    @property
    def requirement(self) -> Requirement:
        """The same in PEP 508's words. Raises `ValueError` where it has none."""
        if len(self.versions) != 1:
            raise ValueError("a choice between versions, which no requirement can say")
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        text = f"{self.name}{extras}{self.versions[0]}" + (f"; {self.marker}" if self.marker else "")
        if len(text) > LONGEST:
            raise ValueError(f"over {LONGEST} characters")
        return Requirement(text)

    def allows(self, version: Version) -> bool:
        return any(versions.contains(version, prereleases=True) for versions in self.versions)

    def holds(self, python: Mapping[str, str], extra: str = "") -> bool:
        return holds(self.marker, python, extra)


def named(name: str, extras: object) -> tuple[str, frozenset[str]]:
    """Both as they are. Raises `ValueError` unless they are names."""
    if not isinstance(extras, list) or not all(isinstance(extra, str) for extra in extras):
        raise ValueError("extras are a list of names")
    for one in (name, *extras):
        canonicalize_name(one, validate=True)
    return name, frozenset(extras)


def said(entry: Mapping[str, Any], key: str) -> str:
    """The text at `key`, else "". Raises `ValueError` where something else is there."""
    value = entry.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def together(markers: Iterable[str]) -> Marker | None:
    """All of `markers` that are not empty in one. Raises `ValueError`."""
    text = " and ".join(f"({marker})" for marker in markers if marker)
    if len(text) > LONGEST_MARKER:
        raise ValueError("a marker of many words")
    return Marker(text) if text else None


def holds(marker: Marker | None, python: Mapping[str, str], extra: str = "") -> bool:
    """Whether `marker` is true of the environment `python`, with the extra asked for."""
    return marker is None or marker.evaluate({**python, "extra": extra})
