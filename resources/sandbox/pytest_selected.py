"""A pytest plugin (`-p pytest_selected`) that leaves out all tests but those that the file `selection.json` beside it
asks for, and writes to `out/selected.json` which those are and why.

Asked for are `ids`, each a test's or a file's (one that is not there any more stops nothing, and is named), or what
`changed` files can reach. Runs inside the sandbox; whoever reads what it writes takes it for hostile.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from astro_impact import Impact, Recorded

HERE = Path(__file__).parent
NAMED = 20  # tests that are named of those chosen for one reason
REASONS = 200
MISSING = 50


BROKEN: set[str] = set()
"""Files that could not be collected: what is in them is not known."""


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        BROKEN.add(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = json.loads((HERE / "selection.json").read_text("utf-8"))
    missing: list[str] = []
    if "ids" in asked:
        chosen = by_ids(items, set(asked["ids"]))
        here = {*chosen, *(file_of(test) for test in chosen)}
        missing = [test for test in asked["ids"] if test not in here and file_of(test) not in BROKEN]
    else:
        chosen = by_change(config.rootpath, items, asked)
    left = [item for item in items if item.nodeid not in chosen]
    items[:] = [item for item in items if item.nodeid in chosen]
    if left:
        config.hook.pytest_deselected(items=left)
    if getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0":  # of many workers one tells
        told = {"collected": len(left) + len(items), "missing": missing[:MISSING], "reasons": reasons(chosen)}
        (HERE / "out").mkdir(exist_ok=True)
        (HERE / "out" / "selected.json").write_text(json.dumps(told), "utf-8")


def file_of(test: str) -> str:
    return test.split("::", maxsplit=1)[0]


def by_ids(items: Sequence[pytest.Item], ids: set[str]) -> dict[str, str]:
    found = (item.nodeid for item in items)
    return {test: "" for test in found if test in ids or file_of(test) in ids}


def by_change(root: Path, items: Sequence[pytest.Item], asked: Mapping[str, Any]) -> dict[str, str]:
    impact = Impact(root, asked["paths"], asked["changed"], Recorded.of(asked["recorded"]))
    if why := impact.everything():
        return {item.nodeid: why for item in items}
    tests = {item.nodeid: file_of(item.nodeid) for item in items}
    impact.stray(loaded(root, asked["paths"]), tests.values())
    found = {test: impact.why(test, path) for test, path in tests.items()}
    return {test: why for test, why in found.items() if why}


def loaded(root: Path, paths: Sequence[str]) -> Iterator[str]:
    """The project's files that are imported by now."""
    known, top = set(paths), f"{root}/"
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(top) and (path := file[len(top) :]) in known:
            yield path


def reasons(chosen: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each reason once, with how many tests it chose and the first of them."""
    found: dict[str, list[str]] = {}
    for test, why in chosen.items():
        found.setdefault(why, []).append(test)
    return [
        {"why": why, "tests": len(tests), "ids": tests[:NAMED]} for why, tests in list(found.items())[:REASONS] if why
    ]
