"""Small files about images: which requirements resolved to which image, what is in it, when it was last used.

They are a cache: lost or broken ones cost a resolution, and are never believed without the engine's having the image.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from astro_mcp.sandbox import unfinished

MOST_IMAGES: Final = 100
MOST_REQUESTS: Final = 1_000
TAG: Final = re.compile(r"astro-mcp-\w+:\w+")


class Records:
    """`requests/<digest>.json` and `<kind>/<digest>.json` below `folder`; the latter's mtime is its last use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._requests = folder / "requests"

    def resolved(self, request: str, fresh_seconds: float) -> str:
        """The image that `request` became, where that is fresh; empty where not. Counts as a use."""
        record = _load(self._requests / f"{request}.json")
        tag, at = record.get("image"), record.get("at")
        if not isinstance(tag, str) or not TAG.fullmatch(tag) or not isinstance(at, float):
            return ""
        if not 0 <= time.time() - at < fresh_seconds:
            return ""
        self._touch(tag)
        return tag

    def keep(self, request: str, tag: str, contents: Sequence[str]) -> None:
        """Write down what was made, and of what; the oldest requests over 1,000 are forgotten."""
        _store(self._image(tag), {"image": tag, "packages": list(contents)})
        _store(self._requests / f"{request}.json", {"image": tag, "at": time.time()})
        requests = sorted(self._requests.glob("*.json"), key=_written)
        for path in requests[: max(0, len(requests) - MOST_REQUESTS)]:
            path.unlink(missing_ok=True)

    def surplus(self, sizes: Mapping[str, int], newest: str, budget: int) -> list[str]:
        """The images that go, least recently used first, so that the rest are 100 that hold at most `budget` bytes."""
        total = sum(sizes.values())
        going: list[str] = []
        for tag in sorted(sizes, key=self._used):
            if total <= budget and len(sizes) - len(going) <= MOST_IMAGES:
                break
            if tag != newest:
                going.append(tag)
                total -= sizes[tag]
        return going

    def only(self, tags: Collection[str], began: float) -> None:
        """Forget what was written or used before `began` of images that are none of `tags`."""
        for path in self._folder.glob("*/*.json"):
            if path.parent.name.startswith(unfinished.PREFIX) or _written(path) >= began:
                continue
            if str(_load(path).get("image")) not in tags:
                path.unlink(missing_ok=True)

    def _used(self, tag: str) -> float:
        return _written(self._image(tag))

    def _touch(self, tag: str) -> None:
        try:
            os.utime(self._image(tag))
        except OSError:
            return

    def _image(self, tag: str) -> Path:
        kind, _, name = tag.removeprefix("astro-mcp-").partition(":")
        return self._folder / kind / f"{name}.json"


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _store(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(unfinished.name())
    temporary.write_text(json.dumps(value), encoding="utf-8")
    os.replace(temporary, path)
