"""Poetry's version constraints in PEP 440's words: carets, tildes, wildcards and alternatives.

As https://python-poetry.org/docs/dependency-specification says.
"""

from __future__ import annotations

import re
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from astro_mcp.sandbox.packages.requirements import LONGEST

TERM: Final = r"(?:(\^|~=|~|==?|!=|<>|<=?|>=?) *)?v?([0-9][0-9A-Za-z.*+!_-]*|[*xX])"
TERMS: Final = re.compile(rf" *{TERM}(?: *, *| +|$)")


def alternatives(text: str) -> tuple[SpecifierSet, ...]:
    """Versions that `text` allows, one set for each side of its `||`. Raises `ValueError`."""
    if len(text) > LONGEST:
        raise ValueError(f"over {LONGEST} characters")
    inner = re.fullmatch(r" *\((.*)\) *", text)
    return tuple(_all_of(part) for part in re.split(r"\|\|?", inner[1] if inner else text))


def python_marker(text: str) -> str:
    """The environment marker (PEP 508) of the Pythons that `text` allows; "" is all of them. Raises `ValueError`."""
    sides = [
        " and ".join(f'{_variable(one.version)} {one.operator} "{one.version}"' for one in sorted(versions, key=str))
        for versions in alternatives(text)
    ]
    return " or ".join(f"({side})" for side in sides) if all(sides) else ""


def _all_of(text: str) -> SpecifierSet:
    found, at = [], 0
    while term := TERMS.match(text, at):
        found.append(_specifier(term[1] or "==", term[2]))
        at = term.end()
    if not found or at != len(text):
        raise ValueError("no version constraint")
    return SpecifierSet(",".join(filter(None, found)))


def _specifier(operator: str, version: str) -> str:
    operator = {"=": "==", "<>": "!="}.get(operator, operator)
    if operator == "==" and version in ("*", "x", "X"):
        return ""
    if re.search(r"\.[*xX]$", version):
        return f"{operator}{re.sub(r'(?:[.][*xX])+$', '.*', version)}"
    parsed = Version(version)
    if operator == "^":
        return f">={parsed},<{_after(parsed, _breaking(parsed))}"
    if operator == "~":
        return f">={parsed},<{_after(parsed, min(len(parsed.release), 2) - 1)}"
    return f"{operator}{parsed}"


def _breaking(version: Version) -> int:
    """The place of the left-most number that is not zero, of major, minor and patch as far as these are said."""
    said = version.release[:3]
    return next((place for place, number in enumerate(said) if number), len(said) - 1)


def _after(version: Version, place: int) -> str:
    """The next version with another number at `place`."""
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, (*version.release[:place], version.release[place] + 1)))


def _variable(version: str) -> str:
    """Poetry's `<=3.8` has all of 3.8 in it, and its `<=3.8.1` has not."""
    return "python_full_version" if len(Version(version.removesuffix(".*")).release) > 2 else "python_version"
