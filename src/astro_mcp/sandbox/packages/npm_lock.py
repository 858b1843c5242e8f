"""The lock that npm makes for us, checked: every package comes from a registry, by name and hash, and has a safe place.

The lock (package-lock.json, version 3) is npm's, and what it holds is the packages' own words: hostile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import InvalidInput, Problem
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.npm_entries import (
    FOLDER,
    Package,
    Platform,
    Unfit,
    dependencies,
    fits,
    is_named,
    is_of_registry,
    package,
    parents,
    text,
    unneeded,
)

MOST_PROBLEMS: Final = 20
HINT: Final = "only packages of the registry are installed, by name and hash"


def read(lock: bytes, platform: Platform) -> tuple[Package, ...]:
    """What is to be installed, parents first. Optional packages for other platforms are left out, with what they hold.

    Raises `InvalidInput` with every package that comes from elsewhere than a registry, or does not fit.
    """
    packages: dict[str, Any] = json.loads(lock)["packages"]
    found = []
    problems = []
    left_out: set[str] = set()
    free = unneeded(packages)
    for at, entry in sorted(packages.items()):
        if not at or entry.get("inBundle") or any(parent in left_out for parent in parents(at)):
            continue  # the top is ours, and what is bundled comes in its parent's tarball
        try:
            if not fits(entry, platform):
                if not entry.get("optional") and at.rpartition(FOLDER)[2] not in free:
                    raise Unfit(f"is not for {platform.os} on {platform.cpu}")
                left_out.add(at)
                continue
            found.append(_package(at, entry))
        except Unfit as reason:
            name = printable(at.rpartition(FOLDER)[2] or at, 100)
            problems.append(Problem(f"packages.{name}", f"{name} {reason}"))
    if problems:
        raise InvalidInput(problems[0].reason, HINT, problems=tuple(problems[:MOST_PROBLEMS]))
    return tuple(found)


def _package(at: str, entry: Mapping[str, Any]) -> Package:
    if entry.get("link"):
        raise Unfit("is a link to a folder")
    if not is_of_registry(entry):
        raise Unfit(f"comes from no registry, but from {printable(text(entry.get('resolved')) or 'a folder', 100)}")
    if entry.get("hasShrinkwrap"):
        raise Unfit("brings a lock file of its own (npm-shrinkwrap.json)")
    for dependency, wanted in dependencies(entry):
        if not is_named(wanted):
            raise Unfit(f"needs {printable(dependency, 60)} by its address: {printable(wanted, 100)}")
    return package(at, entry)
