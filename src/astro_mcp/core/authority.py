"""Who may what. Authority is frozen: it is handed on, narrowed, and never edited in place. What changes of a session is
what it has seen, which stands in its `Ledger`."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from astro_mcp.errors import Forbidden, NoRoot
from astro_mcp.observe.printable import printable


class Effect(StrEnum):
    """What a call does to the world outside of the daemon."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"
    EXECUTE = "execute"
    NETWORK = "network"


LOCAL: Final = "local"
"""The tenant of whoever comes through a door of this machine."""
ALL_EFFECTS: frozenset[Effect] = frozenset(Effect)
HARMLESS: frozenset[Effect] = frozenset({Effect.READ, Effect.NETWORK})


class Label(StrEnum):
    """What is known of the origin of data; labels join and never wear off."""

    UNTRUSTED = "untrusted"
    PRIVATE = "private"
    SECRET = "secret"  # noqa: S105 - the name of a label


REPOSITORY: Final = frozenset({Label.PRIVATE, Label.UNTRUSTED})
"""The labels of what stands in a workspace: its user's own, and whoever wrote it."""


class Level(StrEnum):
    """Whose word an approval takes, least first."""

    MODEL = "model"
    HOST = "host"
    OPERATOR = "operator"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class Kind(StrEnum):
    """The door a principal came through."""

    STDIO = "stdio"
    HTTP = "http"
    A2A = "a2a"
    CLI = "cli"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who calls: the user's id in its tenant, and the door."""

    id: str
    kind: Kind
    tenant: str = LOCAL


@dataclass(frozen=True, slots=True)
class Grant:
    """What a session may do. `roots` are real, absolute paths; `toolsets` empty means every one.

    `home` is there where the grant was narrowed to a folder (`within`): the roots that it was narrowed from. No path
    leads there. They say whose the rows are, and where git may keep the parts of a linked worktree.
    """

    roots: tuple[Path, ...] = ()
    effects: frozenset[Effect] = ALL_EFFECTS
    toolsets: frozenset[str] = frozenset()
    home: tuple[Path, ...] = ()

    def narrowed(
        self,
        *,
        effects: Iterable[Effect] | None = None,
        toolsets: Iterable[str] | None = None,
    ) -> Grant:
        """The same grant with less: what is asked for beyond it is left out."""
        kept_effects = self.effects if effects is None else self.effects & frozenset(effects)
        asked = frozenset(toolsets) if toolsets is not None else frozenset()
        kept_sets = (self.toolsets & asked if self.toolsets else asked) if asked else self.toolsets
        return replace(self, effects=kept_effects, toolsets=kept_sets)

    def within(self, folder: Path) -> Grant:
        """The same grant for one folder beneath its roots, a real path; raises `Forbidden` for any other."""
        if not any(root in folder.parents for root in self.roots):
            raise Forbidden(f"{folder} lies outside of this session's roots")
        return replace(self, roots=(folder,), home=self.home or self.roots)

    def holds(self, toolset: str) -> bool:
        return not self.toolsets or toolset in self.toolsets

    def check_toolset(self, toolset: str, what: str) -> None:
        """Raises `Forbidden` where `what`, a tool or a URI, belongs to a toolset that this grant left out."""
        if not self.holds(toolset):
            raise Forbidden(
                f"{what} belongs to the toolset {toolset}, which this session left out",
                f"start the server with --toolsets {','.join(sorted(self.toolsets | {toolset}))}",
            )

    def check_effects(self, needed: Set[Effect], what: str) -> None:
        """Raises `Forbidden` where `what` needs effects beyond this grant."""
        if beyond := needed - self.effects:
            allowed = ", ".join(sorted(self.effects)) or "nothing"
            raise Forbidden(
                f"{what} needs {', '.join(sorted(beyond))}; this session allows {allowed}",
                "the operator or the host started this session with a narrower grant",
            )

    def covers(self, other: Grant) -> bool:
        """Whether everything that `other` allows is allowed here too."""
        toolsets = not self.toolsets or (bool(other.toolsets) and other.toolsets <= self.toolsets)
        mine = set(self.roots)
        roots = set(other.home or other.roots) <= mine
        roots = roots or (set(other.roots) <= mine and set(other.home) <= set(self.home))
        return roots and other.effects <= self.effects and toolsets


@dataclass(frozen=True, slots=True)
class Scope:
    """The owner of every stored row: a tenant, and a digest over principal and root set."""

    tenant: str
    key: str

    @classmethod
    def of(cls, principal: Principal, roots: Iterable[Path]) -> Scope:
        body = "\0".join([principal.id, *sorted(str(root) for root in roots)])
        return cls(principal.tenant, hashlib.sha256(body.encode()).hexdigest()[:32])

    @classmethod
    def shared(cls, tenant: str) -> Scope:
        """What all principals of a tenant have in common; no principal's own scope has its key."""
        return cls(tenant, hashlib.sha256(b"\0shared").hexdigest()[:32])


@dataclass(slots=True, eq=False)
class Ledger:
    """What a session was given and has sent: all of it that changes. Runs share that of the session that began them.
    `flow` judges by it; times are Unix seconds.

    labels    of every result that it was given; they join and never wear off
    given     digests of the URLs that a search or fetch gave, the oldest first
    sent      by sort of what left: digests of it, each with when and to whom, the oldest first
    used      when a URL that was given, or an approval, was made use of, by recipient
    approved  recipients that a person let it send to; `refused` are those that one did not
    asked     digests of what a person was asked, by recipient
    person    whether the session's host has shown that a person can be asked
    """

    labels: frozenset[Label] = frozenset()
    given: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    sent: dict[str, OrderedDict[bytes, tuple[float, str]]] = field(default_factory=dict)
    used: dict[str, list[float]] = field(default_factory=dict)
    approved: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    asked: dict[str, set[str]] = field(default_factory=dict)
    person: bool = False

    def join(self, labels: frozenset[Label]) -> None:
        """It was given something that carries these."""
        if not labels <= self.labels:
            self.labels |= labels


@dataclass(frozen=True, slots=True)
class Session:
    """One connection's authority: who calls, and what it may do. `labels` are those that it began with, `refused` the
    folders that it asked for as roots and did not get, each with the reason."""

    principal: Principal
    grant: Grant
    labels: frozenset[Label] = frozenset()
    refused: tuple[str, ...] = field(default=(), compare=False)
    ledger: Ledger = field(default_factory=Ledger, compare=False, repr=False)
    scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope", Scope.of(self.principal, self.grant.home or self.grant.roots))

    def no_root(self) -> NoRoot:
        """What a call that needs a workspace is told where there is none."""
        add = "add --root /path/to/project to the server's arguments in the host's configuration"
        asked = (printable(reason, 300) for reason in self.refused[:5])
        return NoRoot("this session has no workspace root", "; ".join((*asked, add)))

    def within(self, folder: Path) -> Session:
        """The same session, narrowed to a folder beneath its roots; what it makes belongs to the same scope."""
        return replace(self, grant=self.grant.within(folder))


@dataclass(frozen=True, slots=True)
class Approval:
    """A word bound to a digest of what was shown, given at a level, once, until it expires (Unix seconds). `yes` is
    what it says, where the call that brings it does not."""

    level: Level
    digest: str
    expires: float
    yes: bool = True

    def meets(self, least: Level, digest: str, now: float) -> bool:
        return self.level.rank >= least.rank and self.digest == digest and now < self.expires
