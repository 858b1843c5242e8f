"""Where packages come from: the seam between images that hold packages and what fetches those of one registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astro_mcp.core.call import Progress

FRESH_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """`contents` is a line for each package, with its version and its hash; `files` are what the installer finds in its
    folder, by name."""

    contents: tuple[str, ...]
    files: Mapping[str, Path]


Fetch = Callable[[Sequence[str], Mapping[str, str], Path, float, Progress], Awaitable[Fetched]]
"""`await fetch(requirements, facts, folder, seconds, progress)`: everything that they need, in `folder`. `facts` is
what PID 1 told of its Python and its machine. Raises `InvalidInput` where nothing fits, `ProviderFailed` where the
registry can't be reached, `TooLarge`, `TimedOut`."""


@dataclass(frozen=True, slots=True)
class Source:
    """One registry's. `canonical` gives requirements in one spelling, and raises `InvalidInput` with every one that is
    none. `installer` is the image's own program that is run on `incoming`, a folder in the container. `key`: what else
    its answer hangs on, which is believed for `fresh_seconds`."""

    kind: str
    canonical: Callable[[Sequence[str]], tuple[str, ...]]
    fetch: Fetch
    installer: str
    incoming: str
    key: tuple[str, ...] = ()
    fresh_seconds: float = FRESH_SECONDS
