"""Packages of npm: those that a project's lock pins, or what npm finds for names and ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Final

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.packages.npm import fetch, fetch_locked
from astro_mcp.sandbox.packages.npm_requirements import canonical
from astro_mcp.sandbox.packages.order import Pins
from astro_mcp.sandbox.packages.source import Source

INSTALLER: Final = "/opt/astro/install_npm.py"
INCOMING: Final = "/node_modules/.incoming"


def source(pins: Pins) -> Source:
    """What fetches under `pins`; images of other locks, or with others that are optional, are others. What a lock pins
    is believed for ever."""
    if pins.locked:
        key = tuple(package.contents for package in pins.locked)
        return Source("npm", _nothing, partial(fetch_locked, pins.locked), INSTALLER, INCOMING, key, math.inf)
    key = (" ".join(sorted(pins.optional)),)
    return Source("npm", canonical, partial(fetch, optional=pins.optional), INSTALLER, INCOMING, key)


def _nothing(requirements: Sequence[str]) -> tuple[str, ...]:
    if requirements:
        raise InvalidInput("a lock is all that is installed, and packages were asked for besides")
    return ()
