"""One shape for every figure: a table for people, one JSON object on the last line for CI."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from astro_mcp.observe.printable import printable


def row(name: str, samples: Sequence[float], unit: str = "ms") -> dict[str, Any]:
    """Median and spread (the quartiles) of samples in seconds, told in milliseconds."""
    scaled = sorted(value * 1000 for value in samples)
    low, median, high = statistics.quantiles(scaled, n=4) if len(scaled) > 1 else scaled * 3
    return {
        "name": name,
        "n": len(scaled),
        "median": round(median, 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "unit": unit,
    }


def report(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    ratios: Mapping[str, float],
    targets: Mapping[str, float],
    *,
    as_json: bool,
) -> int:
    """Print; returns 0 where every target was measured and is met. Targets are the keys of ratios, `≤` each."""
    met = all(key in ratios and ratios[key] <= most for key, most in targets.items())
    for item in rows:
        if "median" in item:
            spread = f"{item['low']:>9.2f} … {item['high']:.2f}"
            more = f"  {item['note']}" if "note" in item else ""
            print(f"{printable(item['name']):<44} {item['median']:>9.2f} {item['unit']}  {spread}  n={item['n']}{more}")
        else:
            print(f"{printable(item['name']):<44} {item['note']}")
    for key, value in ratios.items():
        most = f"  target ≤ {targets[key]:g}: {'met' if value <= targets[key] else 'MISSED'}" if key in targets else ""
        print(f"{key:<44} {value:>9.3f} x{most}")
    for key in sorted(targets.keys() - ratios.keys()):
        print(f"{key:<44} {'':>9}    target ≤ {targets[key]:g}: MISSED, it was not measured")
    if as_json:
        body = {"name": name, "rows": list(rows), "ratios": dict(ratios), "targets": dict(targets), "met": met}
        print(json.dumps(body))
    return 0 if met else 1
