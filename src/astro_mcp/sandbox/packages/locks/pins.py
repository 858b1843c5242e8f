"""What a lock pins, as it is found in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from packaging.requirements import Requirement

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.wanted import ELSEWHERE, MOST, Wanted

ANEW: Final = "lock the project anew"


class Pins:
    """Raises `TooLarge` where they are too many."""

    def __init__(self) -> None:
        self.wanted = Wanted()

    def add(self, name: str, version: str, hashes: Iterable[str]) -> None:
        """A package of an index; raises what `Wanted.pin` does."""
        if len(self.wanted.found) >= MOST:
            raise TooLarge(f"the lock file pins more than {MOST} packages")
        self.wanted.add(Requirement(f"{name}=={version}"))
        self.wanted.pin(name, version, hashes)

    def leave(self, name: str) -> None:
        """A package of an address or a folder."""
        self.wanted.leave(name, ELSEWHERE)


def check_python(requires: str, python: Mapping[str, str]) -> None:
    """Raises `InvalidInput` where the lock's `requires` (PEP 440) are not those of the sandbox."""
    version = python["python_full_version"]
    if requires and not Requirement(f"python{requires}").specifier.contains(version, prereleases=True):
        raise not_for(requires, python)


def not_for(requires: str, python: Mapping[str, str]) -> InvalidInput:
    version = python["python_full_version"]
    return InvalidInput(f"the lock file is for Python {printable(requires, 80)}; the sandbox has {version}")
