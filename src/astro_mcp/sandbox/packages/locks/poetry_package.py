"""One package of a poetry.lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from astro_mcp.sandbox.packages.declared.dependency import Dependency, holds, said, together
from astro_mcp.sandbox.packages.declared.poetry import dependencies, names
from astro_mcp.sandbox.packages.declared.poetry_versions import python_marker
from astro_mcp.sandbox.packages.tables import keyed, table


class Locked:
    """Raises `ValueError` and the like where `entry` is not as it should be; `metadata` has the hashes in locks of
    version 1."""

    def __init__(self, entry: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        self._entry = entry
        self._metadata = metadata
        self.name = said(entry, "name")
        self.key = canonicalize_name(self.name, validate=True)
        self.text = said(entry, "version")
        self.version = Version(self.text)
        self.by_name = table(entry.get("source")).get("type", "legacy") == "legacy"

    @property
    def hashes(self) -> list[str]:
        files = self._entry.get("files") or keyed(table(self._metadata.get("files"))).get(self.key) or []
        return [said(file, "hash") for file in files]

    def fits(self, python: Mapping[str, str], extras: Sequence[str]) -> bool:
        """Whether it is for `python`, as far as it says so, in any group."""
        marker = self._entry.get("markers", "")
        texts = list(marker.values()) if isinstance(marker, dict) else [marker]
        of_python = python_marker(said(self._entry, "python-versions") or "*")
        wholes = [together([of_python, text]) for text in texts]
        return any(holds(whole, python, extra) for whole in wholes for extra in ("", *extras))

    def asks(self, extra: str, python: Mapping[str, str]) -> Iterator[Dependency]:
        """What it needs in `python`; with an extra, what that asks for."""
        of_extra = names(self._extras.get(canonicalize_name(extra)))
        for one in self._dependencies:
            called = not one.optional or "extra" in str(one.marker) or one.key in of_extra
            if called and one.holds(python, extra):
                yield one

    @cached_property
    def _extras(self) -> Mapping[str, Any]:
        return keyed(table(self._entry.get("extras")))

    @property
    def width(self) -> int:
        """How many dependencies it names, those of other environments and of all extras among them."""
        return sum(len(value) if isinstance(value, list) else 1 for value in self._named.values())

    @cached_property
    def _named(self) -> Mapping[str, Any]:
        return table(self._entry.get("dependencies"))

    @cached_property
    def _dependencies(self) -> list[Dependency]:
        return [one for name, value in self._named.items() for one in dependencies(name, value)]
