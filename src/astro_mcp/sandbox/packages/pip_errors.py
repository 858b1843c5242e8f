"""What pip said when it failed, as the error that it means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from astro_mcp.errors import ApprovalRequired, AstroError, InvalidInput, ProviderFailed
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.pip_child import ADDRESS
from astro_mcp.sandbox.packages.pip_sources import REFUSED

PassedOver = Sequence[tuple[str, str]]
"""Canonical names and versions of sources."""

MISSING: Final = re.compile(r"No matching distribution found for ([^\n]{1,300}?)(?: \(from [^\n]*)?$", re.MULTILINE)
NOISE: Final = re.compile(r"^(ERROR|error): ?(Exception:)?\s*")
DENIED: Final = re.compile(r"\b(?:HTTP error (?:401|403|407)\b|(?:401|403|407) Client Error)")
CHANGED: Final = "DO NOT MATCH THE HASHES"
INVALID: Final = "has an invalid wheel"


def failure(said: str, python: Mapping[str, str], sources: PassedOver, unanswered: Sequence[str]) -> AstroError:
    """pip's own words, cleaned; `sources` are those that it passed over, `unanswered` what it said of indexes."""
    lines = [printable(line.strip()) for line in said.splitlines()]
    errors = [NOISE.sub("", line) for line in lines if NOISE.match(line)]
    message = (" · ".join(line for line in errors if line) or next(reversed(lines), "") or "pip failed")[:600]
    if found := _refused(said, lines, message):
        return found
    if "No matching distribution" in said or "Could not find a version" in said:
        if unanswered:
            return _unreached(tuple(dict.fromkeys(unanswered)), message)
        return _missing(said, message, python, sources)
    if "ResolutionImpossible" in said or "conflicting dependencies" in said:
        conflict = [line for line in lines if " depends on " in line or "requested" in line]
        return InvalidInput(f"{message} {'; '.join(conflict)[:400]}".strip(), "loosen one of the versions")
    return _unreached((message,), "")


def _unreached(unanswered: Sequence[str], message: str) -> ProviderFailed:
    told = " · ".join(line for line in (printable("; ".join(unanswered))[:400], message) if line)[:600]
    if all(DENIED.search(one) for one in unanswered):
        return ProviderFailed(told, "the package index does not let this machine's pip in", retryable=False)
    return ProviderFailed(
        told, "the package index could not be reached, or does not answer as it should", retryable=True
    )


def _refused(said: str, lines: Sequence[str], message: str) -> AstroError | None:
    """A package that is not as it should be."""
    if CHANGED in said:
        told = [line for line in lines if " from " in line or line.startswith(("Expected ", "Got "))]
        return InvalidInput(f"a package is not what its hash says: {' '.join(told)[-400:]}", "nothing of it was read")
    if INVALID in said:
        return InvalidInput(message)
    if ADDRESS in said:
        return InvalidInput("a package needs another by its address", "packages are fetched only by name")
    if REFUSED in said:
        return InvalidInput("a package would have to be built from source on this machine, which is never done")
    return None


def _missing(said: str, message: str, python: Mapping[str, str], sources: PassedOver) -> AstroError:
    where = f"Python {python['python_version']} on Linux {python['platform_machine']}"
    for wanted in MISSING.findall(said):
        if name := _only_as_source(wanted, sources):
            return ApprovalRequired(
                f"{name} would have to be built from source, which is not approved: {message}",
                f'an operator may name "{name}" in sandbox.build_from_source; it is built in a container without '
                f"network. Or take a version with a wheel for {where}",
            )
    return InvalidInput(message, f"is there a wheel of it for {where}?")


def _only_as_source(wanted: str, sources: PassedOver) -> str:
    """The name of what is `wanted` (PEP 508) where one of `sources` would do."""
    try:
        requirement = Requirement(wanted)
    except InvalidRequirement:
        return ""
    name = canonicalize_name(requirement.name)
    fits = requirement.specifier
    return name if any(one == name and fits.contains(version, prereleases=True) for one, version in sources) else ""
