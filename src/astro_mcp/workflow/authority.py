"""A run's authority: frozen when it starts, stored with it, and what a step's calls are made with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from astro_mcp.core.authority import Approval, Effect, Grant, Kind, Label, Level, Principal, Session
from astro_mcp.errors import ApprovalRequired, Conflict, Forbidden


def frozen(session: Session, allow: Iterable[Effect]) -> Session:
    """The session that the run's steps act as: the same principal and roots, the effects that both allow, and what the
    session has seen, which the run's document and inputs may say."""
    grant = replace(session.grant.narrowed(effects=allow), toolsets=frozenset())
    return replace(session, grant=grant, labels=session.labels | session.ledger.labels)


def packed(session: Session) -> str:
    """A session as JSON."""
    principal, grant = session.principal, session.grant
    return json.dumps(
        {
            "principal": {"id": principal.id, "kind": principal.kind, "tenant": principal.tenant},
            "roots": [str(root) for root in grant.roots],
            "effects": sorted(grant.effects),
            "labels": sorted(session.labels),
        }
    )


def unpacked(text: str) -> Session:
    """The session that `packed` made the text of."""
    body = json.loads(text)
    who = body["principal"]
    grant = Grant(tuple(Path(root) for root in body["roots"]), frozenset(Effect(e) for e in body["effects"]))
    labels = frozenset(Label(name) for name in body["labels"])
    return Session(Principal(who["id"], Kind(who["kind"]), who["tenant"]), grant, labels)


def steered_by(session: Session, run: Session) -> None:
    """Raise `Forbidden` where the grant of who steers a run does not cover the run's. Toolsets are no part of that:
    they say what a host is shown, and a run sees every tool."""
    if replace(session.grant, toolsets=frozenset()).covers(run.grant):
        return
    beyond = ", ".join(sorted(run.grant.effects - session.grant.effects)) or "see other roots"
    raise Forbidden(
        f"the run may {beyond}, and this session may not", "steer it from a session like the one that started it"
    )


def level_of(session: Session) -> Level:
    """Whose word an answer from this session is: a person's at the terminal, or else the model's."""
    return Level.OPERATOR if session.principal.kind is Kind.CLI else Level.MODEL


def word_suffices(session: Session, shown: Mapping[str, Any], approval: Approval | None, now: float) -> Level:
    """Whose word an answer is. Raises `ApprovalRequired` where what is `shown` needs a higher one, and `Conflict` where
    a person was shown something else."""
    least = Level(shown.get("level", Level.MODEL))
    if approval is not None:
        if not approval.meets(Level.MODEL, shown.get("digest", ""), now):
            raise Conflict("the person's word was for something else, or it came too late", "it is asked for again")
        if approval.meets(least, approval.digest, now):
            return approval.level
    elif level_of(session).rank >= least.rank:
        return level_of(session)
    whose = "host's person" if approval is not None else "model"
    raise ApprovalRequired(
        f"this gate is for the {least} to decide, and a {whose}'s answer does not count",
        "ask the person to decide it at the terminal: astro-mcp workflow answer RUN STEP VALUE",
    )
