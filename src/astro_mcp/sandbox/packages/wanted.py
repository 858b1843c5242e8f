"""What a project wants: names with versions, the hashes that it pins, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.packages.requirements import LONGEST

MOST: Final = 190
"""Packages; the sandbox takes 200, and some are ours."""
ELSEWHERE: Final = "comes from an address, a folder or an index of its own, and packages come by name only"
SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(slots=True)
class Wanted:
    """Requirements by canonical name and environment marker, what was left out with the reason, and by name the
    sha256 that the file of a pinned package may have."""

    found: dict[tuple[str, str], Requirement] = field(default_factory=dict)
    hashes: dict[str, frozenset[str]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def requirements(self) -> list[str]:
        """Names, versions and markers, in the order of the names."""
        return [str(self.found[key]) for key in sorted(self.found)]

    def add(self, requirement: Requirement) -> None:
        """One more; of a package that is named twice both sets of versions hold."""
        key = canonicalize_name(requirement.name), str(requirement.marker or "")
        if (known := self.found.get(key)) is not None:
            both = copy(known)
            both.specifier = known.specifier & requirement.specifier
            both.extras = known.extras | requirement.extras
            if len(str(both)) <= LONGEST:
                self.found[key] = both
            else:
                self.leave(str(requirement), f"over {LONGEST} characters with what else is said of it")
        elif len(self.found) < MOST:
            self.found[key] = requirement
        else:
            self.leave(str(requirement), f"over {MOST} packages")

    def pin(self, name: str, version: str, hashes: Iterable[str]) -> None:
        """The package's file is one with one of `hashes` (`sha256:…`), and no other. Raises `InvalidInput` where none
        is of that form: what is pinned is not left unchecked."""
        found = {match[1] for one in hashes if (match := SHA256.fullmatch(one.strip().lower()))}
        if not found:
            raise InvalidInput(f"{name[:80]} {version[:40]} is pinned without a sha256", "lock the project anew")
        key = canonicalize_name(name)
        self.hashes[key] = self.hashes.get(key, frozenset()) | found

    def require(self, text: str) -> None:
        """One more that is ours, unless the project names the package: then its versions hold."""
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if not any(known == name for known, _ in self.found):
            self.found[name, ""] = requirement

    def leave(self, text: str, reason: str) -> None:
        if len(self.left_out) < MOST:
            self.left_out.append(f"{' '.join(text.split())[:120]}: {reason}")
