"""A project's own package-lock.json or npm-shrinkwrap.json: names, versions and hashes. Its addresses are not followed.

The text is the project's: hostile.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from astro_mcp.errors import InvalidInput, Problem, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.npm_entries import (
    DEEPEST,
    FOLDER,
    Package,
    Platform,
    Unfit,
    bounded,
    dependencies,
    fits,
    is_named,
    is_of_registry,
    package,
    parents,
    shown,
    table,
    unneeded,
)
from astro_mcp.sandbox.packages.wanted import ELSEWHERE

VERSIONS: Final = (2, 3)
MOST_ENTRIES: Final = 20_000
LONGEST_PLACE: Final = 4_000
MOST_PROBLEMS: Final = 20
HINT: Final = "lock the project anew: npm install --package-lock-only --lockfile-version=3"


@dataclass(frozen=True, slots=True)
class Locked:
    """`packages` has parents first; `left_out` has a line for each entry that is no package of a registry, or lies in
    one."""

    packages: tuple[Package, ...]
    left_out: tuple[str, ...]


def locked(name: str, data: bytes, platform: Platform, *, development: bool = False) -> Locked:
    """What the lock file `name` pins, without optional packages for other platforms, and with what is for `development`
    alone only where that is asked. Raises `InvalidInput` where it can't be read, or pins without a hash, and
    `TooLarge`."""
    reader = _Reader(_packages(name, data), platform, development=development)
    problems = []
    for at, entry in sorted(reader.packages.items()):
        try:
            reader.take(at, entry)
        except Unfit as reason:
            problems.append(Problem("project", f"{name}: {_name(at)} {reason}"))
    if problems:
        raise InvalidInput(problems[0].reason, HINT, problems=tuple(problems[:MOST_PROBLEMS]))
    return Locked(tuple(reader.found), bounded(reader.left_out, name))


class _Reader:
    def __init__(self, packages: Mapping[str, Mapping[str, Any]], platform: Platform, *, development: bool) -> None:
        self.packages = packages
        self.found: list[Package] = []
        self.left_out: list[str] = []
        self._platform = platform
        self._development = development
        self._by_address = set(_by_address(packages))
        self._unneeded = unneeded(packages)
        self._hashes: dict[str, str] = {}
        self._gone: dict[str, str] = {}  # places that are not installed, and why; empty where npm would not either

    def take(self, at: str, entry: Mapping[str, Any]) -> None:
        """The next entry, after all that it lies in. Raises `Unfit`."""
        if not at or entry.get("extraneous") or (entry.get("dev") and not self._development):
            return
        if (why := self._reason(at, entry)) is None:
            found = package(at, entry)
            if self._hashes.setdefault(str(found), found.sha512) != found.sha512:
                raise Unfit("is pinned with two hashes")
            self.found.append(found)
            return
        self._gone[at] = why
        if why and FOLDER in at:  # a folder of the project is told where it is linked
            self.left_out.append(f"{_name(at)}: {why}")

    def _reason(self, at: str, entry: Mapping[str, Any]) -> str | None:
        """Why it is not installed: empty where npm would not install it either, None where it is."""
        if entry.get("inBundle") and any(self._bundles(parent) for parent in parents(at)):
            return ""  # it comes in its parent's tarball
        for parent in parents(at):
            if parent in self._gone:
                return self._gone[parent] and f"lies in {_name(parent)}, which is left out"
        if entry.get("link") or not at.startswith(FOLDER):
            return "is a folder of the project, and packages come by name only"
        if at in self._by_address or ("resolved" in entry and not is_of_registry(entry)):
            return ELSEWHERE
        if fits(entry, self._platform):
            return None
        if entry.get("optional") or entry.get("devOptional"):  # the latter is optional in what is not for development
            return ""
        if at.rpartition(FOLDER)[2] in self._unneeded:
            return ""
        raise Unfit(f"is not for {self._platform.os} on {self._platform.cpu}")

    def _bundles(self, at: str) -> bool:
        return bool(self.packages.get(at, {}).get("bundleDependencies"))


def _packages(name: str, data: bytes) -> dict[str, dict[str, Any]]:
    try:
        document = table(json.loads(data.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} can't be read: {printable(str(error), 200)}", HINT) from None
    version, packages = document.get("lockfileVersion"), document.get("packages")
    if not isinstance(version, int) or version not in VERSIONS or not isinstance(packages, dict):
        told = version if isinstance(version, int) else "none"
        raise InvalidInput(f"{name} has lockfileVersion {str(told)[:20]}; 2 and 3 are read", HINT)
    if len(packages) > MOST_ENTRIES:
        raise TooLarge(f"{name} has {len(packages):,} entries; {MOST_ENTRIES:,} is the bound")
    if any(len(at) > LONGEST_PLACE or at.count(FOLDER) > DEEPEST for at in packages):
        raise InvalidInput(f"{name} has a place that is longer, or deeper, than any package's", HINT)
    return {at: table(entry) for at, entry in packages.items()}


def _by_address(packages: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Places of what another needs by its address: it may come from any http server, and looks like a registry's."""
    holders: dict[str, set[str]] = defaultdict(set)
    for at in packages:
        folder, _, name = at.rpartition(FOLDER)
        holders[name].add(folder)
    for at, entry in packages.items():
        folders = tuple(_seen_from(at))
        for name, wanted in dependencies(entry):
            if name in holders and not is_named(wanted):
                nearest = (folder for folder in folders if folder in holders[name])
                yield from (f"{folder}{FOLDER}{name}" for folder in islice(nearest, 1))


def _seen_from(at: str) -> Iterator[str]:
    """Folders whose node_modules Node looks in, the nearest first: `node_modules/a/`, and the top at last."""
    folder = f"{at}/" if at else ""
    while folder:
        yield folder
        folder = folder[:-1].rpartition(FOLDER)[0]
    yield ""


def _name(at: str) -> str:
    return shown(at.removeprefix(FOLDER))
