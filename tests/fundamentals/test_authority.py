"""Grants only ever narrow, one that steers covers the other, and an approval is good for one thing and a while."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from astro_mcp.core.authority import HARMLESS, Approval, Effect, Grant, Kind, Level, Principal, Scope, Session
from astro_mcp.errors import Forbidden

A, B = Path("/a"), Path("/b")
WIDE = Grant((A, B))


@pytest.mark.parametrize(
    ("narrow", "covered"),
    [
        (Grant((A,)), True),
        (Grant((A, B), HARMLESS), True),
        (Grant((A, B), toolsets=frozenset({"git"})), True),
        (Grant((A, Path("/c"))), False),
    ],
)
def test_a_grant_covers_what_allows_nothing_beyond_it(narrow: Grant, covered: bool) -> None:
    assert WIDE.covers(narrow) is covered
    assert WIDE.covers(WIDE)
    assert not narrow.covers(WIDE)


def test_a_narrowed_grant_never_has_what_the_first_had_not() -> None:
    little = WIDE.narrowed(effects={Effect.READ}, toolsets={"git"})
    again = little.narrowed(effects=set(Effect), toolsets={"git", "code"})
    assert again == little
    assert WIDE.covers(again)
    assert not little.holds("code")


def test_a_grant_within_a_folder_is_for_that_folder_and_belongs_to_whom_it_was_narrowed_from() -> None:
    one = Grant((A,))
    within = one.within(A / "tree")
    assert (within.roots, within.home, within.within(A / "tree/deep").home) == ((A / "tree",), (A,), (A,))
    assert one.covers(within)
    assert within.covers(within)
    assert not within.covers(one)
    assert not Grant((A / "tree",)).covers(within), "who has the folder alone has none of git's parts"
    assert not Grant((B,)).covers(within)
    for outside in (A, B, Path("/")):
        with pytest.raises(Forbidden):
            one.within(outside)
    host = Session(Principal("me", Kind.STDIO), one)
    assert host.within(A / "tree").scope == host.scope
    assert replace(host.within(A / "tree"), labels=frozenset()).scope == host.scope
    assert Session(host.principal, Grant((A / "tree",))).scope != host.scope


def test_an_approval_is_for_one_digest_at_its_level_until_it_expires() -> None:
    given = Approval(Level.HOST, "shown", expires=100.0)
    assert given.meets(Level.MODEL, "shown", now=99.0)
    assert given.meets(Level.HOST, "shown", now=99.0)
    assert not given.meets(Level.OPERATOR, "shown", now=99.0)
    assert not given.meets(Level.HOST, "changed", now=99.0)
    assert not given.meets(Level.HOST, "shown", now=100.0)


def test_a_scope_is_another_for_another_person_tenant_or_set_of_roots() -> None:
    me = Principal("me", Kind.STDIO)
    scopes = {
        Scope.of(me, [A]),
        Scope.of(me, [A, B]),
        Scope.of(replace(me, id="you"), [A]),
        Scope.of(replace(me, tenant="guests"), [A]),
    }
    assert len(scopes) == 4
    assert Scope.of(me, [A, B]) == Scope.of(replace(me, kind=Kind.CLI), [B, A])
