"""The order of versions, as far as an advisory's "fixed in" needs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from astro_mcp.agents.lint.audit.inventory import PYPI

_SEMVER: Final = re.compile(r"v?(\d{1,20})(?:\.(\d{1,20}))?(?:\.(\d{1,20}))?(?:-([0-9A-Za-z.-]{1,80}))?(?:\+.{0,80})?")


def next_fixed(ecosystem: str, version: str, fixed: Iterable[str]) -> str:
    """The lowest of `fixed` that is above `version`; empty where there is none. What is no version is passed over."""
    here = _key(ecosystem, version)
    keyed = [(key, text) for text in fixed if (key := _key(ecosystem, text)) is not None]
    above = [(key, text) for key, text in keyed if here is None or key > here]
    return min(above, key=lambda pair: pair[0])[1] if above else ""


def _key(ecosystem: str, text: str) -> Any:
    """Something that sorts as versions of the ecosystem do (PEP 440, https://semver.org); None for what is none."""
    if ecosystem == PYPI:
        try:
            return Version(text[:100])
        except InvalidVersion:
            return None
    found = _SEMVER.fullmatch(text)
    if found is None:
        return None
    numbers = tuple(int(number or 0) for number in found.groups()[:3])
    parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in (found[4] or "").split("."))
    return numbers, found[4] is None, parts  # without a suffix comes after those with one
