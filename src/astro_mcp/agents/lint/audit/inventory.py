"""What lock files pin: names and versions, which are all that leaves this machine.

Their text is the project's, and hostile: what is not a name and a version of its ecosystem is left out, and told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from astro_mcp.errors import TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.text import one_line

MOST: Final = 20_000
ENTRIES: Final = 50_000
"""Lines and tables that are looked at, whatever comes of them."""
TOLD: Final = 200
ELSEWHERE: Final = "comes from an address, a folder or an index of its own, and is in no advisory by its name"
PYPI: Final = "PyPI"
NPM: Final = "npm"
CARGO: Final = ".".join(("crates", "io"))
"""The name of the ecosystem at OSV; in pieces, since no file here names a registry."""
GO: Final = "Go"
_SEMVER: Final = re.compile(r"\d{1,20}\.\d{1,20}\.\d{1,20}(?:[-+][0-9A-Za-z.+-]{1,80})?", re.ASCII)
_NAMES: Final = {
    PYPI: re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"),
    NPM: re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]{0,99}/)?[A-Za-z0-9~_-][A-Za-z0-9._~-]{0,99}"),
    CARGO: re.compile(r"[A-Za-z0-9_-]{1,64}"),
    GO: re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:/[A-Za-z0-9._~-]+){0,20}"),
}


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """A package in one version. `ecosystem` is OSV's word; the name is in the spelling that advisories use."""

    ecosystem: str
    name: str
    version: str


@dataclass(slots=True)
class Inventory:
    """Pins with the files that name them, and a line for each entry that can't be checked."""

    pins: dict[Pin, list[str]] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)
    untold: int = 0
    entries: int = 0

    def add(self, ecosystem: str, name: object, version: object, file: str) -> None:
        """One more. Raises `TooLarge` over 20,000 packages."""
        self._count()
        if not isinstance(name, str) or not isinstance(version, str) or not _is_name(ecosystem, name):
            self.leave(file, str(name), "is no name and version")
            return
        exact = _exact(ecosystem, version)
        if exact is None:
            self.leave(file, name, f"has no exact version: {_short(version)}")
            return
        files = self.pins.setdefault(Pin(ecosystem, canonicalize_name(name) if ecosystem == PYPI else name, exact), [])
        if file not in files:
            files.append(file)
        if len(self.pins) > MOST:
            raise TooLarge(f"the lock files pin more than {MOST:,} packages", "name one of them")

    def leave(self, file: str, what: str, reason: str) -> None:
        """`what`, of `file`, is not checked; `reason` goes on after it. Raises `TooLarge` over 50,000 entries."""
        self._count()
        line = f"{one_line(file)}: {_short(what)} {reason}"
        if line in self.unchecked:
            return
        if len(self.unchecked) < TOLD:
            self.unchecked.append(line)
        else:
            self.untold += 1

    def _count(self) -> None:
        self.entries += 1
        if self.entries > ENTRIES:
            raise TooLarge(f"the lock files have more than {ENTRIES:,} entries", "name one of them")


def _short(text: str) -> str:
    return printable(" ".join(text[:1000].split()), 100)


def _is_name(ecosystem: str, name: str) -> bool:
    return len(name) <= 300 and _NAMES[ecosystem].fullmatch(name) is not None


def _exact(ecosystem: str, version: str) -> str | None:
    """The version as advisories spell it; None where it is none."""
    if ecosystem == PYPI:
        try:
            return Version(version[:100]).public  # a local version is somebody's build of the public one
        except InvalidVersion:
            return None
    plain = version.removeprefix("v") if ecosystem == GO else version
    return plain if _SEMVER.fullmatch(plain) else None


Reader = Callable[[str, bytes, Inventory], None]
"""`reader(file, its bytes, inventory)`; may raise anything for a file that is not of its format."""
