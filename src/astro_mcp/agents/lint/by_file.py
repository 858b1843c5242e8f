"""What linters found in each file, for those that look at every file alone: they are asked about what changed, and the
rest is known.

Which files a linter looks at it says itself, when it is asked about all: settings may leave files out that it would
look at where they are named.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from astro_mcp.agents.lint.models import Finding
from astro_mcp.agents.lint.report import Report, by_file
from astro_mcp.agents.lint.sources import Sources, named
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.standing import Key

MOST: Final = 8
CHANGED: Final = 100
"""Files that are asked about apart; where more changed, all are."""
SECONDS: Final = 1_800.0
"""How long it is believed: all is asked about again then, as the container's life is no longer either."""
BYTES: Final = 64 << 20
"""Of files that are held for comparison, in all."""
WORKSPACE: Final = "/workspace/"


@dataclass(frozen=True, slots=True)
class _Seen:
    """`looked` are the files that the linter looks at; `found` what it found, by file."""

    image: str
    since: float
    asked: tuple[str, ...]
    files: Mapping[str, SandboxFile]
    looked: frozenset[str]
    found: Mapping[str, Sequence[Finding]]

    @property
    def bytes(self) -> int:
        return sum(len(file.data) for file in self.files.values())


@dataclass(frozen=True, slots=True)
class Ask:
    """`paths` are the files whose findings are not known; of the others of `sources` they are."""

    paths: tuple[str, ...]
    sources: Sources
    seen: _Seen


class ByFile:
    """The last of each root and linter. One for all calls."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._seen: OrderedDict[Key, _Seen] = OrderedDict()
        self._clock = clock

    def ask(self, key: Key, linter: Linter, image: str, sources: Sources) -> Ask | None:
        """What has to be asked; None where that may be all. Blocks."""
        seen = self._seen.get(key)
        if seen is None or (seen.image, seen.asked) != (image, _asked(sources)):
            return None
        if self._clock() - seen.since > SECONDS:
            return None
        if [file.path for file in sources.files] != list(seen.files):
            return None
        changed = [file.path for file in sources.files if seen.files[file.path] != file]
        settings = (*linter.config, *linter.sections)
        if any(named(path, settings) or not named(path, linter.detect) for path in changed):
            return None
        wanted = tuple(path for path in changed if path in seen.looked)
        return Ask(wanted, sources, seen) if len(wanted) <= CHANGED else None

    def merged(self, key: Key, ask: Ask, report: Report) -> Report | None:
        """`report` is of what was asked; with it what is known of the others. None where it is of others
        too, or is none. Blocks."""
        if not report.ran or report.beyond or any(item.file not in ask.paths for item in report.findings):
            return None
        found = {path: items for path, items in ask.seen.found.items() if path not in ask.paths}
        found |= by_file(report.findings)
        self._keep(key, replace(ask.seen, files=_by_path(ask.sources), found=found))
        return replace(report, findings=[item for path in sorted(found) for item in found[path]])

    def keep(self, key: Key, image: str, sources: Sources, looked: bytes | None, report: Report) -> None:
        """`report` is of all; `looked` is what the linter printed of the files that it looks at. Blocks."""
        self._seen.pop(key, None)
        if looked is not None and report.ran and not report.beyond:
            paths = (line.removeprefix(WORKSPACE) for line in looked.decode("utf-8", "replace").split("\n"))
            seen = _Seen(
                image, self._clock(), _asked(sources), _by_path(sources), frozenset(paths), by_file(report.findings)
            )
            if seen.found.keys() <= seen.looked:
                self._keep(key, seen)

    def _keep(self, key: Key, seen: _Seen) -> None:
        self._seen[key] = seen
        self._seen.move_to_end(key)
        while len(self._seen) > MOST or sum(one.bytes for one in self._seen.values()) > BYTES:
            self._seen.popitem(last=False)


def _asked(sources: Sources) -> tuple[str, ...]:
    return tuple(place.relative for place in sources.places)


def _by_path(sources: Sources) -> dict[str, SandboxFile]:
    return {file.path: file for file in sources.files}
