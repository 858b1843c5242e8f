"""What the canary found of an engine, kept until the engine, its settings or the machine's boot are others."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from astro_mcp.errors import ProviderFailed
from astro_mcp.sandbox import hints, owner, unfinished
from astro_mcp.sandbox.engine import Engine, get

FILE: Final = "canary.json"
FACTS: Final = (
    "ID",
    "ServerVersion",
    "KernelVersion",
    "CgroupDriver",
    "CgroupVersion",
    "SecurityOptions",
    "DefaultRuntime",
    "Runtimes",
    "Warnings",
)
"""Of the engine's `GET /info` (Docker Engine API): what decides which limits it can hold."""


async def subject(engine: Engine, image: str) -> str:
    """A digest of what a verdict is about: the engine as it is set up, this boot, the runtime and the image."""
    status, body = await get(engine.address, "/info")
    if status != 200 or not isinstance(body, dict):
        raise ProviderFailed(f"the Docker engine answered {status} about itself", hints.LOOK)
    facts: list[Any] = [engine.address.url, engine.runtime, image, owner.boot()]
    facts += [body.get(name) for name in FACTS]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def known(folder: Path, about: str) -> bool:
    """Whether every limit of `about` was found to hold. Blocks."""
    try:
        return bool(json.loads((folder / FILE).read_bytes())["held"] == about)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def keep(folder: Path, about: str) -> None:
    """Every limit of `about` holds. Blocks."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = folder / unfinished.name()
    made.write_text(json.dumps({"held": about}))
    made.replace(folder / FILE)
