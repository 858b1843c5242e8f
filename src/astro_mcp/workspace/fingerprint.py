"""Whether the files at some places are those that they were, told without reading them. Blocks: for worker threads."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from astro_mcp.errors import AstroError
from astro_mcp.workspace.beneath import resolve
from astro_mcp.workspace.content import status_of
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.walk import Collapsed, Stamp, stamp

MARGIN_SECONDS: Final = 2.0
"""How coarse the clocks of file systems are: two changes within it may bear one time (git calls such a file racy)."""


def fingerprint(places: Iterable[Place], survey: Survey) -> bytes | None:
    """A digest over the names and states of what a snapshot of `places` would copy; None where something of it changed
    just now, so that the next change might not show. `survey` has what lies there. Raises what `walk` does, and
    `NotFound` for a place that is not there."""
    latest = (time.time() - MARGIN_SECONDS) * 1e9
    seen = blake2b(digest_size=32)
    for place in places:
        for path, state in _states(place, survey):
            if max(state[:2], default=0) > latest:
                return None
            seen.update(f"{path!r}{state}".encode("utf-8", "surrogatepass"))
    return seen.digest()


def _states(place: Place, survey: Survey) -> Iterator[tuple[str, Stamp]]:
    status = status_of(place) if place.relative else None
    if status is not None and not stat.S_ISDIR(status.st_mode):
        yield place.relative, stamp(status)
        return
    for entry in survey.below(place):
        if isinstance(entry, Collapsed):
            yield entry.path, ()
        elif entry.type == "link":
            yield entry.path, entry.stamp
            yield _target(place, entry.path)
        elif entry.type != "folder":
            yield entry.path, entry.stamp


def _target(place: Place, link: str) -> tuple[str, Stamp]:
    """Where a link leads, and the state of what is there."""
    try:
        target = resolve(place.root, link)
        return (target or "", stamp(status_of(place.at(target)))) if target else ("", ())
    except AstroError:
        return "", ()
