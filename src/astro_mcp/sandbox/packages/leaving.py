"""What leaves when packages are asked for: their names. Which version fits is decided here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from astro_mcp.core.flow import Leaving, Sort
from astro_mcp.packs import Registry
from astro_mcp.sandbox.packages.npm_requirements import split
from astro_mcp.sandbox.packages.order import NO_PINS, Pins

TO: Final[dict[Registry, str]] = {"pypi": "the index of Python packages", "npm": "the npm registry"}
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def asked(registry: Registry, requirements: Iterable[str]) -> Leaving:
    """Packages that a call names."""
    return Leaving(Sort.NAME, TO[registry], tuple(_names(registry, requirements)))


def listed(registry: Registry, requirements: Iterable[str], pins: Pins = NO_PINS, ours: Iterable[str] = ()) -> Leaving:
    """Packages that files of the workspace name; `ours` are known to everybody from the pack."""
    pinned = [package.name for package in pins.locked]
    names = {*_names(registry, requirements), *pinned} - set(_names(registry, ours))
    return Leaving(Sort.LISTED, TO[registry], tuple(sorted(names)))


def _names(registry: Registry, requirements: Iterable[str]) -> list[str]:
    """Each once; of what does not read like a requirement the whole, which will be refused as one."""
    if registry == "npm":
        return list(dict.fromkeys(split(one.strip())[0] for one in requirements))
    found = ((one, _NAME.match(one)) for one in requirements)
    return list(dict.fromkeys(re.sub(r"[-_.]+", "-", name[1]).lower() if name else one for one, name in found))
