"""The OCI runtime that containers run in: the operator names one, and it is that one or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from astro_mcp.errors import ProviderFailed, SandboxUnavailable
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox import hints
from astro_mcp.sandbox.address import Address
from astro_mcp.sandbox.engine import get

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "runc": ("runc",),
    "runsc": ("runsc", "gvisor", "io.containerd.runsc.v1"),
    "kata": ("kata", "kata-runtime", "io.containerd.kata.v2"),
}
"""What engines call each."""


async def chosen(address: Address, setting: str) -> str:
    """The engine's own name of the runtime `setting`, or an empty one where nothing is set: the engine's default.

    Raises `SandboxUnavailable` where the engine has none of that name; no other is taken instead.
    """
    if not setting:
        return ""
    status, body = await get(address, "/info")
    if status != 200 or not isinstance(body, dict) or not isinstance(body.get("Runtimes"), dict):
        raise ProviderFailed(f"the Docker engine answered {status} about its runtimes", hints.LOOK)
    return match(setting, body["Runtimes"])


def match(setting: str, known: Collection[str]) -> str:
    """The first of the names of `setting` that is `known`; raises `SandboxUnavailable`."""
    for name in NAMES[setting]:
        if name in known:
            return name
    have = printable(", ".join(sorted(map(str, known))))[:300]
    raise SandboxUnavailable(
        f"the Docker engine at hand has no runtime {setting}; it has: {have or 'none'}",
        f"install {setting} and name it under runtimes in the engine's daemon.json, or set sandbox.runtime to another",
    )
