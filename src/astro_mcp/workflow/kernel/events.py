"""What happens to a run, and what it asks for. Both are data: a driver feeds the one and carries out the other.

Every event carries `now` (Unix seconds) and `slots`, how many more calls the driver can take at this moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from astro_mcp.core.record import record


@record(kw_only=True)
class Event:
    """The base: by itself it is nothing but the time."""

    now: float
    slots: int = 0
    path: str = ""


def set_time(event: Event, now: float, slots: int) -> None:
    """Give an event that nobody else has its time and its places, in place: a copy of each costs more than the rest of
    what a driver does with it."""
    event.now = now  # type: ignore[misc]
    event.slots = slots  # type: ignore[misc]


@record(kw_only=True)
class Began(Event):
    """The run is to begin."""


@record(kw_only=True)
class Forked(Event):
    """The run begins as `origin`, another run of the same document, was before `step`: `outputs`, by path, are those of
    steps that are not run again. See `fork.kept`."""

    origin: str
    step: str
    outputs: Mapping[str, Any]


@record(kw_only=True)
class Tick(Event):
    """Time passed, or a place got free."""


@record(kw_only=True)
class Finished(Event):
    """An attempt came to its end, with an output or an error (`AstroError.as_dict`)."""

    attempt: int
    output: Any = None
    error: Mapping[str, Any] | None = None


@record(kw_only=True)
class Answered(Event):
    """Somebody answered an ask, decided a gate, or told what a lost step gave. `by` is the level of the word."""

    value: Any
    by: str
    digest: str = ""


@record(kw_only=True)
class Paused(Event):
    """Start nothing more for now."""


@record(kw_only=True)
class Resumed(Event):
    """Go on."""


@record(kw_only=True)
class Cancelled(Event):
    """End the step at `path`, or the whole run."""


@record(kw_only=True)
class Retried(Event):
    """Run the lost step at `path` again, or every lost one."""


@record(kw_only=True)
class Recovered(Event):
    """The process died: of the call at `path`, or of every one. `repeatable` are the tools whose calls may simply run
    again."""

    repeatable: frozenset[str] = field(default_factory=frozenset)


@record(kw_only=True)
class Made(Event):
    """The run's worktree is there, at `tree` on the branch `branch` that began at the commit `base`; or it can't be,
    and `error` says why (`AstroError.as_dict`)."""

    tree: str = ""
    branch: str = ""
    base: str = ""
    error: Mapping[str, Any] | None = None


@record(kw_only=True)
class Closed(Event):
    """The run's worktree was closed: its branch is at `sha`, both "" where nothing had changed. `left` says why it is
    still there, where it is."""

    branch: str
    sha: str
    left: str = ""


@record()
class Command:
    """The base of what a run asks for."""

    path: str


@record()
class Start(Command):
    """Carry out a call, once the state that says so is on disk; answer with `Finished`. `timeout` is in seconds."""

    attempt: int
    tool: str
    arguments: Mapping[str, Any]
    timeout: float | None = None


@record()
class Make(Command):
    """Make the run's worktree, where it is not there yet; answer with `Made`. It begins where the run `origin` left its
    own, if there is one."""

    origin: str


@record()
class Close(Command):
    """Commit what changed in the run's worktree since `base`, once no call is in flight any more, and take it away;
    answer with `Closed`. It may be that it was never made, and that it was closed already."""

    base: str


@record()
class Stop(Command):
    """Cancel the call in flight; nobody waits for its answer any more."""
