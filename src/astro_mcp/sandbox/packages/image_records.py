"""Small files about images: which requirements resolved to which image, what is in it, when it was last used.

They are a cache: lost or broken ones cost a resolution, and are never believed without the engine's having the image.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from astro_mcp.sandbox import unfinished


class Records:
    """`requests/<digest>.json` and `<kind>/<digest>.json` below `folder`; the latter's mtime is its last use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._requests = folder / "requests"

    def resolved(self, request: str, fresh_seconds: float) -> str:
        """The image that `request` became, where that is fresh; empty where not. Counts as a use."""
        record = _load(self._requests / f"{request}.json")
        age = time.time() - float(record.get("at", 0))
        tag = str(record.get("image", ""))
        if not tag or not 0 <= age < fresh_seconds:
            return ""
        self._touch(tag)
        return tag

    def keep(self, request: str, tag: str, contents: Sequence[str]) -> None:
        """Write down what was made, and of what."""
        _store(self._image(tag), {"image": tag, "packages": list(contents)})
        _store(self._requests / f"{request}.json", {"image": tag, "at": time.time()})

    def surplus(self, sizes: Mapping[str, int], newest: str, budget: int) -> list[str]:
        """The images that go, least recently used first, so that the rest holds at most `budget` bytes."""
        total = sum(sizes.values())
        going = []
        for tag in sorted(sizes, key=self._used):
            if total <= budget:
                break
            if tag != newest:
                going.append(tag)
                total -= sizes[tag]
        return going

    def forget(self, tag: str) -> None:
        self._image(tag).unlink(missing_ok=True)

    def _used(self, tag: str) -> float:
        try:
            return self._image(tag).stat().st_mtime
        except OSError:
            return 0.0

    def _touch(self, tag: str) -> None:
        try:
            os.utime(self._image(tag))
        except OSError:
            return

    def _image(self, tag: str) -> Path:
        kind, _, name = tag.removeprefix("astro-mcp-").partition(":")
        return self._folder / kind / f"{name}.json"


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _store(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(unfinished.name())
    temporary.write_text(json.dumps(value), encoding="utf-8")
    os.replace(temporary, path)
