"""What leaves this machine for the database of advisories."""

from __future__ import annotations

from collections.abc import Sequence

from astro_mcp.agents.lint.audit.inventory import Pin
from astro_mcp.core.flow import Leaving, Sort


def asked_for(pins: Sequence[Pin]) -> tuple[Leaving, ...]:
    """Names and versions, as the flow policy takes them; nothing where there are none."""
    listed = tuple(f"{pin.name} {pin.version}" for pin in pins)
    return (Leaving(Sort.LISTED, "the database of advisories", listed),) if listed else ()
