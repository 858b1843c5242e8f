"""The budget of seconds is a promise about the whole."""

from __future__ import annotations

import tomllib
from pathlib import Path

TESTS = Path(__file__).parent.parent


def test_the_suites_share_720_seconds_and_every_suite_has_a_budget() -> None:
    budget = tomllib.loads((TESTS / "budget.toml").read_text())
    assert sum(budget["suites"].values()) <= 720
    suites = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert suites == set(budget["suites"]) == set(budget["full"])
