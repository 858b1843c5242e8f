"""How far knowledge reaches: a workspace's, the user's own, and what all of a tenant share."""

from __future__ import annotations

from pathlib import Path

from astro_mcp.agents.knowledge.models import Kept, Reach
from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.errors import Forbidden, NoRoot
from astro_mcp.store.connection import Row
from astro_mcp.workspace.place import Place


def readable(session: Session, reach: Reach = "all") -> dict[Scope, Kept]:
    """The scopes that a session may read, nearest first, each with its name."""
    user, shared = Scope.of(session.principal, ()), Scope.shared(session.principal.tenant)
    named: list[tuple[Scope, Kept]] = [(session.scope, "project"), (user, "user"), (shared, "tenant")]
    if session.scope == user:  # without a workspace the user's own is all that there is
        del named[0]
    return {scope: name for scope, name in named if reach in ("all", name)}


def writable(session: Session, reach: Kept, *, shared: bool) -> Scope:
    """Where a session may keep what it is told; `shared` is the operator's leave to write for all of the tenant.

    Raises `NoRoot`, `Forbidden`."""
    if reach == "user":
        return Scope.of(session.principal, ())
    if reach == "tenant":
        if not shared:
            raise Forbidden(
                "what all principals of this tenant share is not written by its sessions",
                "the operator sets shared = true under [knowledge] in config.toml",
            )
        return Scope.shared(session.principal.tenant)
    if not session.grant.roots:
        raise NoRoot(
            "this session has no workspace, so there is no project to keep it for",
            'pass "scope": "user" to keep it for every workspace',
        )
    return session.scope


def recorded(session: Session, place: Place) -> Place:
    """`place` under the name that the record has for it. A scope is of its roots in any order, so a relative path is of
    the first by name, and not of the one that this session has first."""
    return Place(place.root, place.relative, place.root == _first_by_name(session))


def told(session: Session, row: Row) -> str:
    """The source of a document's row, of a file as the path that this session's fs_read takes."""
    source, first = str(row["source"]), _first_by_name(session)
    if row["kind"] == "note" or "://" in source or first is None or first == session.grant.roots[0]:
        return source
    return source.removeprefix(f"{session.grant.roots[0]}/") if source.startswith("/") else f"{first}/{source}"


def _first_by_name(session: Session) -> Path | None:
    return min(session.grant.roots, key=str, default=None)


def labels_of(*rows: Row) -> frozenset[Label]:
    """Of all that these rows tell."""
    return frozenset(Label(name) for row in rows for name in row["labels"].split(",") if name)
