"""What packages are fetched for, and what an operator or a project said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from astro_mcp.sandbox.engine import Engine


@dataclass(frozen=True, slots=True)
class Order:
    """`base` and `base_id` name the image that they are for. `approved` are the packages that an operator lets be built
    from source. `hashes` has for each package that is pinned the sha256 that its file may have."""

    engine: Engine
    base: str
    base_id: str
    tenant: str
    approved: frozenset[str]
    hashes: Mapping[str, frozenset[str]]
