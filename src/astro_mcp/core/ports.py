"""What core asks of the store: the seams that the layer above implements."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from astro_mcp.core.authority import REPOSITORY, Label, Scope

Phase = Literal["intent", "outcome", "refusal"]


class AuditRecord(NamedTuple):
    """One line of the trail, in the order in which it is stored. `digest` is keyed: it tells whether two arguments were
    equal, and not what they were. `flow` tells by which verdict and to whom something left a session that held what
    must not get out."""

    at: float
    phase: Phase
    call_id: str
    tenant: str
    scope: str
    principal: str
    kind: str
    tool: str
    digest: str
    effects: str
    code: str = ""
    duration_ms: float | None = None
    run_id: str | None = None
    step: str | None = None
    flow: str = ""


class AuditSink(Protocol):
    """Where the trail is kept."""

    async def commit(self, record: AuditRecord) -> None:
        """Return when the record is on disk."""

    def post(self, record: AuditRecord, instead: Any = None) -> Awaitable[Any]:
        """Return when the record is in line to be written; waits only where the line is full, and is not cancelled.
        Gives what a later record names to stand `instead` of this one, where this one was not written by then."""

    def digest(self, data: bytes) -> str:
        """A keyed digest of canonical arguments, in hexadecimal."""


class ArtifactSink(Protocol):
    """Content by address. A sha256 is an address and no permission: every look-up names its scope."""

    async def put(
        self, scope: Scope, data: bytes, mime: str, name: str = "", labels: frozenset[Label] = REPOSITORY
    ) -> str:
        """Keep `data` for `scope`, with the labels of whatever it is made of and those that the running call bears;
        returns its sha256 once that is committed."""

    async def get(self, scope: Scope, sha256: str) -> tuple[bytes, str]:
        """Bytes and mime type; raises `NotFound` for what is missing and for what another scope owns."""

    async def labels(self, scope: Scope, sha256: str) -> frozenset[Label]:
        """Those of whatever it is made of; none of what is missing, or another scope's."""


@dataclass(frozen=True, slots=True)
class Product:
    """Text that a run left at an `astro://` URI."""

    uri: str
    title: str
    text: str
    labels: frozenset[Label]


class Products(Protocol):
    """What runs left, for whoever makes it findable."""

    async def ended(self, scope: Scope, most: int) -> Sequence[str]:
        """Ids of the scope's runs that have ended, among its newest `most`; newest first. Raises `Unavailable`."""

    async def of(self, scope: Scope, run_id: str) -> Sequence[Product]:
        """What a run left: first the run itself; raises `NotFound`, `Unavailable`, `Internal`."""


@dataclass(frozen=True, slots=True)
class WebPage:
    """What a reader of a page sees, as Markdown; `url` is where it was in the end."""

    url: str
    title: str
    text: str


class WebPages(Protocol):
    """The guarded way to pages of the web, for whoever keeps what they say."""

    async def page(self, scope: Scope, url: str) -> WebPage:
        """The page at `url`; raises what a fetch does: `NotFound`, `Forbidden`, `ProviderFailed`, `TimedOut` …"""


class Clock(Protocol):
    """Time as data, so that tests can hold it."""

    def now(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class SystemClock:
    """The machine's own."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
