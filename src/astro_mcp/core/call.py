"""One call, and what comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import anyio

from astro_mcp.core.authority import Approval, Effect, Label, Level, Session
from astro_mcp.core.durable import Durable
from astro_mcp.core.flow import Leaving, Verdict
from astro_mcp.core.ids import new_id
from astro_mcp.core.model import Output
from astro_mcp.core.question import Question
from astro_mcp.core.record import record
from astro_mcp.errors import AstroError

Progress = Callable[[float, float | None, str], Awaitable[None]]
"""`await progress(done, total or None, text under 200 characters)`."""


async def silent(done: float, total: float | None, text: str) -> None:
    """The progress of a call that nobody watches."""


@record()
class Call:
    """What a face or the scheduler asks of the dispatcher.

    `timeout` is in seconds and only ever shortens the tool's own; `run_id` and `step` are set for a workflow's steps.
    `approval` is a person's word, which a face alone attaches, as it alone says that a `person` can be asked; `resumes`
    the run that the same call started before it asked for one. `comes_back` is there where the caller comes back by its
    id for work that goes on: with words of these levels, and of no other.

    `lent` is a cancel scope that the caller entered, and leaves after this call if it is cancelled: for its deadline,
    so that it needs none of its own. Until then nothing is awaited that a cancellation reaches.
    """

    session: Session
    tool: str
    arguments: Mapping[str, Any]
    id: str = field(default_factory=lambda: new_id("call"))
    run_id: str | None = None
    step: str | None = None
    idempotency_key: str | None = None
    labels: frozenset[Label] = frozenset()
    timeout: float | None = None
    progress: Progress = silent
    approval: Approval | None = None
    person: bool = False
    resumes: str = ""
    comes_back: frozenset[Level] | None = None
    lent: anyio.CancelScope | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that travel beside a result: an image a host can show."""

    data: bytes
    mime: str


class Gate(Protocol):
    """What stands between a call and the world outside of this machine."""

    @property
    def passed(self) -> Sequence[str]:
        """A line for each thing that left a session that holds what must not get out, and why it might."""

    def let_out(self, leaving: Leaving) -> Verdict:
        """Returns where it may leave now; raises an `AstroError` where it may not."""


class NoGate:
    """Where no policy of flow is: nothing is held back."""

    passed: Sequence[str] = ()

    def let_out(self, leaving: Leaving) -> Verdict:
        return Verdict.FREE


class Result(NamedTuple):
    """A value or an error, never both; labels and sources say where it came from, questions are what a person may
    decide, `durable` is the work that a caller who comes back is told of, and `flow` what left (see `Gate.passed`)."""

    value: Output | None = None
    error: AstroError | None = None
    labels: frozenset[Label] = frozenset()
    sources: tuple[str, ...] = ()
    blobs: tuple[Blob, ...] = ()
    questions: tuple[Question, ...] = ()
    durable: Durable | None = None
    flow: tuple[str, ...] = ()

    def unwrap(self) -> Output:
        """The value; raises the error where there is one."""
        if self.error is not None:
            raise self.error
        if self.value is None:
            raise TypeError("a result carries a value or an error")
        return self.value


class Context:
    """What a tool is given beside its arguments: the call, its scope, the effects that the policies let through, and a
    tray for what it hands back."""

    __slots__ = ("blobs", "call", "durable", "effects", "gate", "labels", "questions", "sources")

    def __init__(self, call: Call, effects: frozenset[Effect], gate: Gate) -> None:
        self.call = call
        self.effects = effects
        self.gate = gate
        self.labels: set[Label] = set()
        self.sources: list[str] = []
        self.blobs: list[Blob] = []
        self.questions: list[Question] = []
        self.durable: Durable | None = None

    @property
    def session(self) -> Session:
        return self.call.session

    async def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        await self.call.progress(done, total, text[:199])

    def let_out(self, *leaving: Leaving) -> list[Verdict]:
        """To be called right before what was not known when the call began leaves this machine, with `leaves=later` in
        the tool's declaration. Raises `Forbidden`, `LimitHit`, or `ApprovalRequired` where a person is asked: the
        call is made again with their word, so nothing may have happened yet."""
        return [self.gate.let_out(one) for one in leaving]

    def attach(self, blob: Blob) -> None:
        self.blobs.append(blob)

    def ask(self, *questions: Question) -> None:
        self.questions.extend(questions)

    def label(self, *labels: Label) -> None:
        self.labels.update(labels)

    def source(self, *uris: str) -> None:
        self.sources.extend(uris)
