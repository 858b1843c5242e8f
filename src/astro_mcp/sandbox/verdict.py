"""What the canary found of an engine, kept until engine, settings, image or the boot of the machine are others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

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
PYTHON: Final = TypeAdapter(dict[str, str])


async def subject(engine: Engine, image: str) -> str:
    """A digest of what a verdict is about: the engine as it is set up, this boot, the runtime and the image."""
    status, body = await get(engine.address, "/info")
    if status != 200 or not isinstance(body, dict):
        raise ProviderFailed(f"the Docker engine answered {status} about itself", hints.LOOK)
    built = (await engine.image(image) or {}).get("Id")
    facts: list[Any] = [engine.address.url, engine.runtime, image, built, owner.boot()]
    facts += [body.get(name) for name in FACTS]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def known(folder: Path, about: str) -> Mapping[str, str] | None:
    """What Python runs there (`Sandbox.python`), where every limit of `about` was found to hold; else None. Blocks."""
    try:
        kept = json.loads((folder / FILE).read_bytes())
        return PYTHON.validate_python(kept["python"]) if kept["held"] == about else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(folder: Path, about: str, python: Mapping[str, str]) -> None:
    """Every limit of `about` holds, and `python` is what runs there. Blocks."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = folder / unfinished.name()
    made.write_text(json.dumps({"held": about, "python": dict(python)}))
    made.replace(folder / FILE)
