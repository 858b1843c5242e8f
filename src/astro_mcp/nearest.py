"""The nearest right name for a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def nearest(name: str, candidates: Sequence[str]) -> str | None:
    """The candidate most like `name` (difflib's ratio, at least 0.6), or None."""
    found = difflib.get_close_matches(name[:100], candidates, n=1)
    return found[0] if found else None
