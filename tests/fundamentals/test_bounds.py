"""What is seen to be small by one look, and what is looked into."""

from __future__ import annotations

from typing import Any

import pytest

from astro_mcp.core.bounds import SMALL, check, small
from astro_mcp.errors import TooLarge


@pytest.mark.parametrize(
    "values",
    [
        {"text": "half \ud800"},
        {"half \ud800": 1},
        {"text": "ä"},
        {"text": "x" * 901},
        {"x" * 901: 1},
        {"number": 1 << 64},
        {"number": -(1 << 64)},
        {"list": []},
        {"object": {"text": "half \ud800"}},
        {str(number): None for number in range(9)},
    ],
)
def test_whatever_may_be_wrong_is_not_small(values: dict[str, Any]) -> None:
    assert not small(values)


def test_what_is_small_is_within_the_bound_that_is_not_looked_at_for_it() -> None:
    most = {f"{number}{'k' * 899}": "x" * 900 for number in range(8)}
    assert small(most)
    check(most, SMALL, "a tool")
    with pytest.raises(TooLarge):
        check(most, 8 * 1800, "a tool")
    check({"text": "x", "number": 1, "none": None, "flag": True, "part": 0.5}, SMALL, "a tool")
    with pytest.raises(TooLarge):
        check({"text": "x" * 100}, 99, "a tool")
