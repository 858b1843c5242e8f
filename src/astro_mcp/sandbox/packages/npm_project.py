"""What the package.json of a project names, where no lock of npm's pins it. Nothing of the project runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from astro_mcp.errors import InvalidInput
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.npm_entries import bounded, shown, table
from astro_mcp.sandbox.packages.npm_requirements import canonical, is_name

LOCKS: Final = ("npm-shrinkwrap.json", "package-lock.json")
"""The first that there is counts, as it does for npm."""
MANIFEST: Final = "package.json"
OTHER_LOCKS: Final = ("yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb")
LOCK_BYTES: Final = 8_000_000
MANIFEST_BYTES: Final = 1_000_000
MOST: Final = 190
"""Packages; the sandbox takes 200, and a caller names some."""
NOT_FOLLOWED: Final = {
    "overrides": "are not followed; a lock (npm install --package-lock-only) has what they give",
    "workspaces": "are not read; name the folder of one as project",
}


@dataclass(frozen=True, slots=True)
class Named:
    """`requirements` are `name@range`; those of the names in `optional` may be missing."""

    requirements: tuple[str, ...]
    optional: frozenset[str]
    left_out: tuple[str, ...]


def named(data: bytes, others: Iterable[str] = (), *, development: bool = False) -> Named:
    """What the package.json that holds `data` needs to run; with `development`, what it needs for that too. `others`
    are lock files beside it that are not npm's. Raises `InvalidInput` where it can't be read."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{MANIFEST} can't be read: {printable(str(error), 200)}") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"{MANIFEST} is no object")
    optional = table(document.get("optionalDependencies"))
    more = table(document.get("devDependencies")) if development else {}
    wanted = {**more, **table(document.get("dependencies")), **optional}
    peers = table(document.get("peerDependencies")).keys() - wanted.keys()
    left_out = [f"{name}: only npm's own locks are read, so versions are found anew" for name in others]
    left_out += [f"{key}: {NOT_FOLLOWED[key]}" for key in NOT_FOLLOWED if document.get(key)]
    left_out += [
        f"{shown(name)}: whoever uses the project brings it; name it as one of packages" for name in sorted(peers)
    ]
    found: dict[str, str] = {}
    for name in sorted(wanted):
        requirement = _requirement(name, wanted[name])
        if not requirement:
            left_out.append(
                f"{shown(name)}: comes by name and a range of versions only: no tag, alias, address or folder"
            )
        elif len(found) == MOST:
            left_out.append(f"{shown(name)}: over {MOST} packages")
        else:
            found[name] = requirement
    return Named(tuple(found.values()), frozenset(found.keys() & optional.keys()), bounded(left_out, MANIFEST))


def _requirement(name: str, wanted: object) -> str:
    """In one spelling; empty where it is none that can be asked for."""
    if not is_name(name) or not isinstance(wanted, str):
        return ""
    try:
        return canonical([f"{name}@{wanted or '*'}"])[0]
    except InvalidInput:
        return ""
