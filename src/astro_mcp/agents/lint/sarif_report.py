"""A linter's report in SARIF 2.1.0 (OASIS Standard), read as what it is: text that hostile files had a part in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from astro_mcp.errors import ProviderFailed
from astro_mcp.sandbox.packages.tables import table


def found(document: object) -> Iterator[Mapping[str, Any]]:
    """The values of each finding. Raises `ProviderFailed` where there are no runs."""
    runs = table(document).get("runs")
    if not isinstance(runs, list) or not runs:
        raise ProviderFailed("the report is no SARIF: it has no runs", retryable=False)
    for run in runs:
        levels = _levels(run)
        for result in _tables(table(run).get("results")):
            if result.get("kind", "fail") == "fail" and not result.get("suppressions"):
                yield _values(result, levels)


def _values(result: Mapping[str, Any], levels: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first location counts: the others say more of the same finding. Its file may be percent-encoded."""
    place = table(next(_tables(result.get("locations")), {}).get("physicalLocation"))
    region = table(place.get("region"))
    rule = result.get("ruleId") or table(result.get("rule")).get("id")
    return {
        "rule": rule,
        "file": str(table(place.get("artifactLocation")).get("uri", "")).removeprefix("file://"),
        "line": region.get("startLine"),
        "column": region.get("startColumn"),
        "severity": result.get("level") or levels.get(str(rule)) or "warning",
        "message": table(result.get("message")).get("text"),
        "fixable": bool(result.get("fixes")),
    }


def _levels(run: object) -> dict[str, Any]:
    """What a rule's findings are, where they don't say it themselves (3.27.10)."""
    rules = table(table(table(run).get("tool")).get("driver")).get("rules")
    return {str(rule.get("id")): table(rule.get("defaultConfiguration")).get("level") for rule in _tables(rules)}


def _tables(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in (value if isinstance(value, list) else []) if isinstance(item, dict))
