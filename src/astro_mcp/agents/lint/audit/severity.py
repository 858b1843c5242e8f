"""How bad an advisory says that it is, in one word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

Word = Literal["critical", "high", "medium", "low", "unknown"]
RANK: Final[Mapping[Word, int]] = {"critical": 4, "high": 3, "medium": 2, "low": 1, "unknown": 0}
WORDS: Final[Mapping[str, Word]] = {
    "critical": "critical",
    "high": "high",
    "moderate": "medium",
    "medium": "medium",
    "low": "low",
}
_METRICS: Final[Mapping[str, Mapping[str, float]]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_RIGHTS: Final[Mapping[str, Mapping[str, float]]] = {
    "U": {"N": 0.85, "L": 0.62, "H": 0.27},
    "C": {"N": 0.85, "L": 0.68, "H": 0.5},
}


def score(vector: str) -> float | None:
    """The base score of a CVSS 3 vector, 0.0 to 10.0; None for any other text.

    Section 7.1 of the specification (https://www.first.org/cvss/v3.1/specification-document).
    """
    if not re.fullmatch(r"CVSS:3\.[01](?:/[A-Z]{1,3}:[A-Z]){8,30}", vector):
        return None
    given = dict(part.split(":") for part in vector.split("/")[1:])
    try:
        value = {name: weights[given[name]] for name, weights in _METRICS.items()}
        rights = _RIGHTS[given["S"]][given["PR"]]
    except KeyError:
        return None
    gone = 1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"])
    changed = given["S"] == "C"
    impact = 7.52 * (gone - 0.029) - 3.25 * (gone - 0.02) ** 15 if changed else 6.42 * gone
    if impact <= 0:
        return 0.0
    ease = 8.22 * value["AV"] * value["AC"] * rights * value["UI"]
    return _rounded_up(min((1.08 if changed else 1) * (impact + ease), 10))


def word(base: float) -> Word:
    """The rating of a base score (section 5)."""
    if base >= 9:
        return "critical"
    if base >= 7:
        return "high"
    return "medium" if base >= 4 else "low"


def _rounded_up(value: float) -> float:
    """To one decimal, upwards (appendix A)."""
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10
