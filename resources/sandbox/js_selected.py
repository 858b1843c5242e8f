"""Starts a runner of JavaScript on the test files that `changed` files can reach: `js_selected.py ARGV…`, in which one
word stands for the files. `selection.json` beside it tells what changed, and `out/selected.json` is written to tell
which files were chosen and why.

Where every test is reached, or it can't be told which test files there are, the runner runs as it would by itself.
Where none is, nothing does. Runs inside the sandbox; whoever reads what it writes takes it for hostile.
"""
# ruff: noqa: E402 - our own folder is on the path for our own module alone

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # behind all else: what lies here beside ours is the project's

from js_impact import SUFFIXES, Impact

TOP = HERE.parent
FILES = "{paths}"
NAMED = 20  # files that are named of those chosen for one reason
MOST = 500  # files that the runner is named; of more all run
SECONDS = 100
LONGEST = 2_000_000  # characters of a file that is looked at
NODES = re.compile(r"(?:test|test-.+|.+[.\-_]test)\.[cm]?js")
"""What node takes for a test file, beside all that is below a folder named test."""


def chosen(asked: Mapping[str, Any], files: Sequence[str]) -> dict[str, str]:
    """Why, by test file."""
    sources = {path: _text(path) for path in asked["paths"] if path.endswith((*SUFFIXES, "package.json"))}
    impact = Impact(sources, asked["changed"], lambda name: os.path.isdir(f"/node_modules/{name}"))
    if why := impact.everything():
        return dict.fromkeys(files, why)
    found = {path: impact.why(path) for path in files}
    return {path: why for path, why in found.items() if why}


def _text(path: str) -> str:
    try:
        text = (TOP / path).read_text("utf-8", "replace")
    except OSError:
        return ""
    return text if len(text) <= LONGEST else "require(too_long)"  # which may import whatever


def listed(asked: Mapping[str, Any]) -> list[str] | None:
    """The project's test files; None where the runner does not tell."""
    if not asked["list"]:
        return list(of_node(asked["paths"], asked["target"]))
    try:
        argv = asked["list"]
        ran = subprocess.run(argv, cwd=TOP, stdout=subprocess.PIPE, timeout=SECONDS, check=True)  # noqa: S603 - in the sandbox
        rows = json.loads(ran.stdout)
        names = [row["file"] if isinstance(row, dict) else row for row in rows]
        return sorted({name.removeprefix(f"{TOP}/") for name in names})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.SubprocessError):
        return None


def of_node(paths: Sequence[str], target: str) -> Iterator[str]:
    """By node's own rules."""
    below = f"{target}/" if target else ""
    for path in sorted(paths):
        *folders, name = path.split("/")
        is_test = NODES.fullmatch(name) or ("test" in folders and re.search(r"\.[cm]?js$", name))
        if path == target or (is_test and path.startswith(below) and "node_modules" not in folders):
            yield path


def reasons(found: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each reason once, with how many files it chose and the first of them."""
    by_why: dict[str, list[str]] = {}
    for path, why in found.items():
        by_why.setdefault(why, []).append(path)
    return [{"why": why, "tests": len(paths), "ids": paths[:NAMED]} for why, paths in list(by_why.items())[:200]]


def main(argv: Sequence[str]) -> None:
    asked = json.loads((HERE / "selection.json").read_text("utf-8"))
    files = listed(asked)
    words = list(asked["targets"])
    told: dict[str, Any] = {"collected": 0, "reasons": [], "of": "test files"}
    if files is None:
        told["reasons"] = [{"why": "which test files there are can't be told", "tests": 1, "ids": []}]
    else:
        found = chosen(asked, files)
        told |= {"collected": len(files), "reasons": reasons(found)}
        if len(found) < min(len(files), MOST) and found.keys() <= asked["words"].keys():
            words = [asked["words"][path] for path in found]
    (HERE / "out").mkdir(exist_ok=True)
    (HERE / "out" / "selected.json").write_text(json.dumps(told), "utf-8")
    if told["reasons"]:
        command = [part for word in argv for part in (words if word == FILES else [word])]
        os.execvp(command[0], command)  # noqa: S606 - there is no shell here, and this is the sandbox


if __name__ == "__main__":
    main(sys.argv[1:])
