"""What the demo holds the server to: whether each step did its real work, and whether pytest itself counts the same."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from astro_mcp.sandbox.owner import HOUSE, house

LEAST_TESTS = 50
NEEDS = [
    "h11>=0.16.0,<1",
    "hypothesis>=6.119.4,<7",
    "pytest>=8.3.3,<9",
    "pytest-cov>=6.0.0,<7",
    "pytest-xdist>=3.6.1,<4",
]
"""What the target's pyproject.toml asks for, for pytest's own run: that it is the same image is looked at."""
PLAIN_PYTEST = """
import os, subprocess, sys
command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "src"})
print(done.stdout[-500:])
"""
WORDS = {"passed": "passed", "failed": "failed", "error": "errors", "errors": "errors", "skipped": "skipped"}


class Shortfall(Exception):
    """A step that did not do its real work."""


class Asked(Protocol):
    """What the checks ask a server for."""

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """A tool's structured result."""

    async def step(self, run: str, step: str) -> dict[str, Any]:
        """One step of a run with its whole output."""


def git(clone: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=clone, capture_output=True, text=True, check=True)
    return done.stdout.strip()


async def real_work(server: Asked, run: str, clone: Path, *, least: int) -> None:
    """Raises `Shortfall` unless every step did what it is for."""
    tests = (await server.step(run, "test"))["output"]
    if tests["exit_code"] not in (0, 1) or tests["counts"]["total"] < least:
        raise Shortfall(f"test_run: exit {tests['exit_code']}, {tests['counts']['total']} tests, {least} expected")
    lint = (await server.step(run, "lint"))["output"]
    if lint.get("missing_tools") or lint.get("failed_tools"):
        raise Shortfall(f"lint_check: missing {lint.get('missing_tools')}, failed {lint.get('failed_tools')}")
    if not lint["tools_run"]:
        raise Shortfall("lint_check ran no linter")
    if not (await server.step(run, "list"))["output"]["items"]:
        raise Shortfall("fs_list found no files")
    if not (await server.step(run, "search"))["output"]["items"]:
        raise Shortfall("kb_search found nothing in what was just indexed")
    report = (await server.call("fs_read", path=(await server.step(run, "report"))["output"]["path"]))["text"]
    for line in (f"| tests | {tests['counts']['total']} |", f"| lint findings | {lint['total']} |"):
        if line not in report:
            raise Shortfall(f"the report does not say {line!r}")
    sha = (await server.step(run, "commit"))["output"]["sha"]
    if not is_commit(clone, sha):
        raise Shortfall(f"{sha} is no commit of the clone")


def is_commit(clone: Path, sha: str) -> bool:
    try:
        return git(clone, "cat-file", "-t", sha) == "commit"
    except subprocess.CalledProcessError:
        return False


def counts_of_pytest(said: str) -> dict[str, int]:
    """The counts of pytest's last line, by the names that test_run gives them."""
    return {WORDS[word]: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", said)}


async def same_as_pytest(
    server: Asked, counts: Mapping[str, int], images: Callable[[], Sequence[str]]
) -> tuple[str, dict[str, int]]:
    """The image and the counts of pytest itself, without our plugin.

    Raises `Shortfall` where the counts are others than test_run's, or its image is none that the run had used.
    """
    before = images()
    arguments = {"language": "python", "paths": ["."], "packages": NEEDS, "timeout": 300, "code": PLAIN_PYTEST}
    own = counts_of_pytest((await server.call("code_run", **arguments))["stdout"])
    ours = {word: counts[word] for word in ("passed", "failed", "errors", "skipped") if counts[word]}
    if own != ours:
        raise Shortfall(f"pytest itself counts {own}, test_run {ours}")
    after = images()[len(before) :]
    if len(after) != 1 or after[0] not in before:
        raise Shortfall(f"pytest itself ran in {after}, the run's containers were made of {sorted(set(before))}")
    return after[0], own


@contextmanager
def images_of(home: Path) -> Iterator[Callable[[], list[str]]]:
    """A function that gives the image of each container that the server in `home` has made, as the engine tells it."""
    with tempfile.NamedTemporaryFile() as heard:
        which = ["--filter", "event=create", "--filter", f"label={HOUSE}={house(home / 'images')}"]
        command = [
            "docker",
            "events",
            "--since",
            str(int(time.time())),
            *which,
            "--format",
            "{{json .Actor.Attributes}}",
        ]
        watching = subprocess.Popen(command, stdout=heard, stdin=subprocess.DEVNULL)
        try:
            yield lambda: [json.loads(line)["image"] for line in Path(heard.name).read_text().splitlines()]
        finally:
            watching.terminate()
            watching.wait()
