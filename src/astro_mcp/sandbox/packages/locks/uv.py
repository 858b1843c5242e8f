"""uv.lock: from the project on, along the dependencies whose markers hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from astro_mcp.errors import InvalidInput
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.declared.dependency import holds
from astro_mcp.sandbox.packages.declared.purposes import chosen_names
from astro_mcp.sandbox.packages.locks.pins import ANEW, Pins, check_python
from astro_mcp.sandbox.packages.tables import keyed, strings, table


def read(document: Mapping[str, Any], python: Mapping[str, str], pins: Pins, *, tests: bool) -> None:
    check_python(str(document.get("requires-python", "")), python)
    _Uv(document, python, tests=tests).walk(pins)


class _Uv:
    def __init__(self, document: Mapping[str, Any], python: Mapping[str, str], *, tests: bool) -> None:
        self._python = python
        self._tests = tests
        self._packages = [table(package) for package in document.get("package") or ()]
        self._named: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for package in self._packages:
            self._named[str(package.get("name"))].append(package)

    def walk(self, pins: Pins) -> None:
        line = [(package, self._beyond(package)) for package in self._packages if _is_root(package)]
        if not line:
            raise InvalidInput("uv.lock names no project", ANEW)
        seen: set[tuple[str, str, str]] = set()
        while line:
            package, extras = line.pop()
            name, version = str(package.get("name")), str(package.get("version"))
            for extra in ("", *extras):
                if (name, version, extra) not in seen:
                    seen.add((name, version, extra))
                    line += self._dependencies(package, extra)
                    if not extra and not _is_root(package):
                        _pin(package, name, version, pins)

    def _beyond(self, package: Mapping[str, Any]) -> tuple[str, ...]:
        """The project's extras that its tests need."""
        return tuple(chosen_names(table(package.get("optional-dependencies")))) if self._tests else ()

    def _dependencies(self, package: Mapping[str, Any], extra: str) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
        if extra:
            found = keyed(table(package.get("optional-dependencies"))).get(canonicalize_name(extra)) or []
        else:
            found = list(package.get("dependencies") or ())
            groups = table(package.get("dev-dependencies"))
            for group in chosen_names(groups) if self._tests and _is_root(package) else ():
                found += groups[group]
        for dependency in map(table, found):
            if self._holds(dependency.get("marker")):
                yield self._package(dependency), tuple(strings(dependency.get("extra")))

    def _package(self, dependency: Mapping[str, Any]) -> dict[str, Any]:
        name, version = str(dependency.get("name")), dependency.get("version")
        named = [one for one in self._named[name] if version in (None, one.get("version"))]
        fitting = [one for one in named if self._fits(one)]
        if len(fitting) != 1:
            raise InvalidInput(f"uv.lock has {len(fitting)} packages for {printable(name, 80)}")
        return fitting[0]

    def _fits(self, package: Mapping[str, Any]) -> bool:
        markers = list(strings(package.get("resolution-markers")))
        return not markers or any(self._holds(marker) for marker in markers)

    def _holds(self, marker: object) -> bool:
        return not marker or holds(Marker(str(marker)), self._python)


def _pin(package: Mapping[str, Any], name: str, version: str, pins: Pins) -> None:
    if "registry" not in table(package.get("source")):
        pins.leave(name)
        return
    files = [table(file) for file in [*(package.get("wheels") or ()), package.get("sdist")]]
    pins.add(name, version, [str(file["hash"]) for file in files if "hash" in file])


def _is_root(package: Mapping[str, Any]) -> bool:
    source = table(package.get("source"))
    return "." in (source.get("editable"), source.get("virtual"))
