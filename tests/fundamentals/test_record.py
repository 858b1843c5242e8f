"""Records: equal and hashed by their fields, and frozen where the type checker looks."""

from __future__ import annotations

from astro_mcp.workflow.kernel.events import Finished, Stop


def test_records_are_equal_and_hashed_by_their_fields_and_of_their_kind() -> None:
    assert {Stop("a"), Stop("a")} == {Stop("a")}
    assert Stop("a") != Stop("b")
    assert repr(Stop("a")) == "Stop(path='a')"
    assert Finished(now=1.0, path="a", attempt=1) == Finished(now=1.0, path="a", attempt=1)
    assert not hasattr(Stop("a"), "__dict__")


def test_the_type_checker_lets_nobody_change_one() -> None:
    one = Stop("a")
    one.path = "b"  # type: ignore[misc] # the check is red where this needs no leave
    assert one.path == "b", "at run time nothing guards it: that is the price"
