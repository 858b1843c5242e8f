"""Containers that stay up for a program which runs nothing of what it reads: each holds the files of the run before, so
that the next one is sent what changed.

A run is a process of its own, and finds what it would find in a fresh container (`again.py`). Whatever is odd about one
ends the container, and its answer counts for nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError
from astro_mcp.sandbox.container import Container
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile

log = logging.getLogger(__name__)

SCRIPT: Final = ".astro/again"
"""In the workspace; without a suffix, so that nobody takes it for a file of the project's language."""
CERTAIN: Final = "certain"
"""In the folder whose files come back: what `again.py` leaves where nothing was odd."""
MOST: Final = 4
LARGEST: Final = 32 << 20
"""Bytes of files that one may hold: they are kept here, too."""
LONGEST_SECONDS: Final = 1_800.0
OWN: Final = frozenset({"output", "timeout"})
"""Limits that the run itself hits, and not with what was there before it."""

Ready = Callable[[str, str], Awaitable[Container]]
CarryOut = Callable[[Container, Job], Awaitable[Outcome]]


class Key(NamedTuple):
    """Whose files, and who looks at them."""

    scope: Scope
    root: Path
    program: str


@dataclass(slots=True, eq=False)
class _Kept:
    """Times are monotonic seconds. `files` are those that the container holds, by path; `busy` while a run has it."""

    image: str
    began: float
    used: float
    container: Container | None = None
    files: Mapping[str, SandboxFile] = field(default_factory=dict)
    busy: bool = False


class Standing:
    """`ready(tenant, image)` gives a container, `carry_out` runs a job in it; `script` is the pack's `again.py`. What
    ends here ends in `tasks`, and what was not used for `idle_seconds` ends."""

    def __init__(self, tasks: TaskGroup, ready: Ready, carry_out: CarryOut, script: Path, idle_seconds: float) -> None:
        self._tasks = tasks
        self._ready = ready
        self._carry_out = carry_out
        self._script = script
        self._idle_seconds = idle_seconds
        self._kept: dict[Key, _Kept] = {}
        self._closed = False

    def image(self, key: Key) -> str | None:
        """The image that runs for `key`; None where none does."""
        kept = self._kept.get(key)
        return kept.image if kept and kept.container and kept.container.alive() else None

    async def run(self, key: Key, job: Job) -> Outcome | None:
        """What `job` does in the container of `key`, made where there is none; None where that can't be told for
        certain, and a fresh container has to. Cancelled in the middle, it ends its container."""
        if sum(len(file.data) for file in job.files) > LARGEST or not self._make_room(key):
            return None
        kept = self._fitting(key, job.image)
        kept.busy, certain = True, False
        try:
            turn = await anyio.to_thread.run_sync(lambda: _turn(job, kept.files, self._script.read_bytes()))
            if kept.container is None:
                kept.container = await self._ready(job.tenant, job.image)
            outcome = await self._carry_out(kept.container, turn)
            found = tuple(file for file in outcome.files if file.path != CERTAIN)
            late = "timeout" in outcome.limits_hit
            certain = (
                len(found) < len(outcome.files) and not outcome.over and not late and OWN.issuperset(outcome.limits_hit)
            )
            kept.files, kept.used = {file.path: file for file in job.files}, time.monotonic()
            return replace(outcome, files=found) if certain or late else None
        except AstroError as error:
            log.info("a container that stands failed: %s", error.message)
            return None
        finally:
            kept.busy = False
            if not certain or self._closed:
                self._forget(key, kept)
                if kept.container is not None:
                    await kept.container.discard()

    def settle(self, now: float) -> None:
        """End what was not used for too long, is too old, or is gone; a run that goes on is not cut short."""
        for key, kept in list(self._kept.items()):
            if not kept.busy and self._is_over(kept, now):
                self._drop(key, kept)

    def close(self) -> None:
        """End all that wait; one that is busy ends with its run."""
        self._closed = True
        for key, kept in list(self._kept.items()):
            if not kept.busy:
                self._drop(key, kept)

    def _is_over(self, kept: _Kept, now: float) -> bool:
        late = now - kept.used >= self._idle_seconds or now - kept.began >= LONGEST_SECONDS
        return late or kept.container is None or not kept.container.alive()

    def _make_room(self, key: Key) -> bool:
        """Whether there is a place for `key`, whose container may not be busy; the one that was used longest ago makes
        place."""
        if self._closed:
            return False
        if key in self._kept:
            return not self._kept[key].busy
        if len(self._kept) < MOST:
            return True
        idle = [(kept.used, other) for other, kept in self._kept.items() if not kept.busy]
        if not idle:
            return False
        _, oldest = min(idle, key=lambda one: one[0])
        self._drop(oldest, self._kept[oldest])
        return True

    def _fitting(self, key: Key, image: str) -> _Kept:
        """The one of `key` where it is of `image` and goes on, else a new one."""
        now, kept = time.monotonic(), self._kept.get(key)
        if kept is not None and (kept.image != image or self._is_over(kept, now)):
            self._drop(key, kept)
            kept = None
        if kept is None:
            kept = self._kept[key] = _Kept(image, now, now)
        return kept

    def _drop(self, key: Key, kept: _Kept) -> None:
        self._forget(key, kept)
        if kept.container is not None:
            self._tasks.start_soon(kept.container.discard)

    def _forget(self, key: Key, kept: _Kept) -> None:
        if self._kept.get(key) is kept:
            del self._kept[key]


def _turn(job: Job, held: Mapping[str, SandboxFile], script: bytes) -> Job:
    """`job` where a container holds the files `held` already. Blocks."""
    changed = [file for file in job.files if held.get(file.path) != file]
    gone = held.keys() - {file.path for file in job.files}
    given = {"argv": job.argv, "gone": sorted(gone), "came": [SCRIPT, *(file.path for file in changed)]}
    return replace(
        job,
        argv=("python3", SCRIPT, job.collect, CERTAIN),
        files=(*changed, SandboxFile(SCRIPT, script)),
        stdin=json.dumps(given).encode(),
        script=True,
        session=True,
    )
