"""Cases that are alike: half of them in every run, and all in the long form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def half(cases: Iterable[Any]) -> list[Any]:
    """`cases` for `parametrize`; every second one is for the long form."""
    return [pytest.param(case, marks=[pytest.mark.full] * (number % 2)) for number, case in enumerate(cases)]
