"""poetry.lock, versions 1 and 2: from what pyproject.toml declares on, along the dependencies whose markers hold.

A lock of a project for many Pythons may have several versions of a package, and does not say which is for whom: the
newest is that which all who ask for it, in this environment, allow. Which ask depends on which are taken, so the walk
is done again until nothing changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from packaging.markers import Marker
from packaging.version import Version

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.declared.dependency import Dependency, holds
from astro_mcp.sandbox.packages.declared.poetry_versions import python_marker
from astro_mcp.sandbox.packages.declared.pyproject import Pyproject
from astro_mcp.sandbox.packages.locks.pins import ANEW, Pins, not_for
from astro_mcp.sandbox.packages.locks.poetry_package import Locked
from astro_mcp.sandbox.packages.wanted import MOST

WALKS: Final = 8
VERSIONS: Final = 10
STEPS: Final = 5_000
"""Dependencies that are looked at: some ten of each package."""
UNLOCKED: Final = frozenset({"pip", "setuptools", "wheel", "distribute"})
"""Poetry before 1.3 left these out of its locks."""


def read(
    document: Mapping[str, Any], pyproject: Mapping[str, Any], python: Mapping[str, str], pins: Pins, *, tests: bool
) -> None:
    metadata = document["metadata"]
    version = metadata.get("lock-version", "1.0")
    if Version(version).major not in (1, 2):
        raise InvalidInput(f"poetry.lock is of version {printable(version, 40)}; 1 and 2 are read", ANEW)
    pythons = metadata["python-versions"]
    if not _true(python_marker(pythons), python):
        raise not_for(pythons, python)
    project = Pyproject(pyproject, pins.wanted.leave)
    roots = [one for one in project.needs(tests=tests) if one.holds(python)]
    extras = project.for_tests() if tests else []
    packages = _packages(document, python, extras)
    for package in _Walk(packages, python, roots, project.itself).settled():
        if package.by_name:
            pins.add(package.name, package.text, package.hashes)
        else:
            pins.leave(package.name)


def _packages(
    document: Mapping[str, Any], python: Mapping[str, str], extras: Sequence[str]
) -> Mapping[str, list[Locked]]:
    """By name; of several those that say of themselves that they are for this environment, where one does."""
    found: defaultdict[str, list[Locked]] = defaultdict(list)
    for entry in document.get("package", []):
        package = Locked(entry, document["metadata"])
        found[package.key].append(package)
    for name, several in found.items():
        if len(several) > VERSIONS:
            raise TooLarge(f"the lock file has more than {VERSIONS} versions of {printable(name, 80)}")
        if len(several) > 1:
            found[name] = [one for one in several if one.fits(python, extras)] or several
    return found


class _Walk:
    def __init__(
        self, packages: Mapping[str, list[Locked]], python: Mapping[str, str], roots: Sequence[Dependency], itself: str
    ) -> None:
        self._packages = packages
        self._python = python
        self._roots = roots
        self._itself = itself
        self._known: dict[tuple[Locked, str], list[Dependency]] = {}
        self._steps = 0

    def settled(self) -> Iterable[Locked]:
        """The packages that are needed, each in the version that all who ask for it allow."""
        taken: dict[str, Locked] = {}
        for _ in range(WALKS):
            asked = self._asked(taken)
            best = {name: self._best(name, asked[name]) for name in asked}
            if best == taken:
                self._check(taken, asked)
                return taken.values()
            taken = best
        raise InvalidInput("the versions in poetry.lock lead round in circles", ANEW)

    def _check(self, taken: Mapping[str, Locked], asked: Mapping[str, Sequence[Dependency]]) -> None:
        for name, package in taken.items():
            if package.by_name and not all(one.allows(package.version) for one in asked[name]):
                raise InvalidInput(f"poetry.lock has no {printable(name, 80)} that fits what asks for it", ANEW)

    def _asked(self, taken: Mapping[str, Locked]) -> Mapping[str, list[Dependency]]:
        """What is asked for of each package, by name, if the packages `taken` are the ones."""
        asked: defaultdict[str, list[Dependency]] = defaultdict(list)
        seen: set[tuple[str, str]] = set()
        line = list(self._roots)
        while line:
            one = line.pop()
            if one.key not in self._packages and one.key in {*UNLOCKED, self._itself}:
                continue
            asked[one.key].append(one)
            if len(asked) > MOST:
                raise TooLarge(f"the lock file pins more than {MOST} packages")
            package = taken.get(one.key) or self._best(one.key, [one])
            for extra in ("", *one.extras):
                if (one.key, extra) not in seen:
                    seen.add((one.key, extra))
                    line += self._asks(package, extra)
        return asked

    def _asks(self, package: Locked, extra: str) -> list[Dependency]:
        known = self._known.get((package, extra))
        if known is None:
            self._steps += package.width
            if self._steps > STEPS:
                raise TooLarge(f"the lock file has more than {STEPS} dependencies to follow")
            known = self._known[package, extra] = list(package.asks(extra, self._python))
        return known

    def _best(self, name: str, asked: Sequence[Dependency]) -> Locked:
        if name not in self._packages:
            raise InvalidInput(f"poetry.lock has no {printable(name, 80)}", ANEW)
        return max(self._packages[name], key=lambda one: (sum(each.allows(one.version) for each in asked), one.version))


def _true(marker: str, python: Mapping[str, str]) -> bool:
    return holds(Marker(marker) if marker else None, python)
