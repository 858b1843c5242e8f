"""What packages are fetched for, and what an operator or a project said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from astro_mcp.sandbox.engine import Engine

if TYPE_CHECKING:
    from astro_mcp.sandbox.packages.npm_entries import Package  # loaded with what reads locks, after the start


@dataclass(frozen=True, slots=True)
class Pins:
    """What a project says of packages beyond names and versions.

    Of PyPI, `hashes` has for each package that is pinned, by canonical name, the sha256 that its file may have. Of npm,
    `locked` are all packages of its lock, parents first, and `optional` the names that are left out where they don't
    fit.
    """

    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    locked: tuple[Package, ...] = ()
    optional: frozenset[str] = frozenset()


NO_PINS: Final = Pins()


@dataclass(frozen=True, slots=True)
class Order:
    """`base` and `base_id` name the image that they are for. `approved` are the packages that an operator lets be built
    from source."""

    engine: Engine
    base: str
    base_id: str
    tenant: str
    approved: frozenset[str]
    pins: Pins
