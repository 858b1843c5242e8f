"""Files, git and lint: ours beside mcp-server-git, cyanheads' git-mcp-server and server-filesystem, by one client."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import fmean, median
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import stdio_client

from astro_mcp.workspace.fingerprint import MARGIN_SECONDS
from benchmarks import _grown
from benchmarks._reads import reads, statuses
from benchmarks._report import report, row
from benchmarks._workbenches import OURS, Ask, Case, cases, servers
from benchmarks.start import end_daemon

ROUNDS = 25
QUICK = 5
SLOW = 5
"""A round in so many is measured where a peer's answer takes seconds."""
LINT = "lint_check / (1.5 ruff + 20 ms)"
AFTER = "lint_check after a change / (1.5 ruff + 20 ms)"
SECTIONS = ("git", "files", "lint")


async def timed(client: Client, ask: Ask) -> tuple[float, str]:
    """Seconds of one call, and its text: git-mcp-server's leaves out some of what its structured form has. Raises
    RuntimeError where it failed."""
    tool, arguments = ask
    began = time.perf_counter()
    result = await client.call_tool(tool, dict(arguments))
    took = time.perf_counter() - began
    text = "".join(getattr(block, "text", "") for block in result.content)
    if result.is_error:
        raise RuntimeError(f"{tool} failed: {text[:300]}")
    return took, text


Sample = tuple[float, int, float]
"""Seconds, characters, and the share of what was asked that these tell."""
Found = dict[tuple[str, str], list[Sample]]
"""`(case, server) -> samples`, one for each round."""


class Alone:
    """libgit2 in a process of its own; without its environment it has no samples."""

    def __init__(self, repository: Path, stack: AsyncExitStack) -> None:
        python = Path(os.environ.get("ASTRO_BENCH_PEERS", "/nowhere")).with_name("libgit2") / "bin/python"
        self.samples: dict[str, list[float]] = defaultdict(list)
        self._child: subprocess.Popen[str] | None = None
        if python.exists():
            command = [python, Path(__file__).with_name("_libgit2.py"), repository]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            self._child = stack.enter_context(child)
            stack.callback(child.kill)

    async def ask(self, name: str, question: Sequence[str], *, counts: bool) -> None:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None or not question:
            return
        child.stdin.write(json.dumps(question) + "\n")
        took = float(await anyio.to_thread.run_sync(child.stdout.readline))
        if counts:
            self.samples[name].append(took)


async def measure(made: list[Case], clients: dict[str, Client], alone: Alone, rounds: int) -> Found:
    """One server after the other in each round: whatever else the machine does meets all of them alike. What a server
    reads and remembers at its first call is not counted, for any of them."""
    found: Found = defaultdict(list)
    for number in range(rounds + 1):
        for case in made:
            if case.tree and number % SLOW > 1:
                continue
            case.before(number)
            for server, ask in case.asked(number).items():
                place = f"{server}, tree" if case.tree and server == OURS else server
                if place not in clients:
                    continue
                took, text = await timed(clients[place], ask)
                if number:
                    found[case.name, server].append((took, len(text), case.told(number, text)))
            await alone.ask(case.name, case.alone(number), counts=number > 0)
    return found


def compared(made: list[Case], found: Found) -> tuple[list[dict[str, Any]], dict[str, float], dict[str, float]]:
    """Rows, ratios to the best peer, and their targets; characters are those that a model may be given, as they come
    and, where somebody leaves out a part, for all of what was asked."""
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    targets: dict[str, float] = {}
    for case in made:
        samples = {server: found[case.name, server] for server in case.asked(0) if (case.name, server) in found}
        for server, taken in samples.items():
            length, told = median(characters for _, characters, _ in taken), fmean(share for *_, share in taken)
            note = {"note": f"{length:,.0f} characters" + (f" for {told:.0%} of it" if told < 1 else "")}
            rows.append({**row(f"{case.name}: {server}", [seconds for seconds, *_ in taken]), **note})
        key = f"{case.name} / best peer"
        size, whole = f"{case.name}, characters", f"{case.name}, characters for all of it"
        targets |= {key: case.most, size: 1}
        if len(samples) > 1:
            ours = samples.pop(OURS)
            middle = {server: median(seconds for seconds, *_ in taken) for server, taken in samples.items()}
            ratios[key] = median(seconds for seconds, *_ in ours) / min(middle.values())
            lengths = [median(characters for _, characters, _ in taken) for taken in samples.values()]
            ratios[size] = median(characters for _, characters, _ in ours) / min(lengths)
            shares = [_for_all(ours, taken) for taken in samples.values() if any(share < 1 for *_, share in taken)]
            if known := [share for share in shares if share is not None]:
                ratios[whole], targets[whole] = max(known), 1
    return rows, ratios, targets


def _for_all(ours: list[Sample], peer: list[Sample]) -> float | None:
    """Our characters to the peer's, each for all of what was asked, were the rest told as what is told; None where one
    of the two never tells any of it."""
    both = [(mine[1] / mine[2], its[1] / its[2]) for mine, its in zip(ours, peer, strict=True) if mine[2] and its[2]]
    return median(mine for mine, _ in both) / median(its for _, its in both) if both else None


async def linted(client: Client, ruff: str, folder: Path, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of `lint_check` with ruff on a warm root, after a file was written, and of ruff itself on the same
    files, which remembers those that did not change, too."""
    ours, after, bare = [], [], []
    ask = ("lint_check", {"tools": ["ruff"]})
    written = next(folder.rglob("*.py"))
    for _ in range(rounds):
        written.write_bytes(written.read_bytes() + b"\nx = 1\n")
        after.append((await timed(client, ask))[0])
        await anyio.sleep(MARGIN_SECONDS + 0.5)  # what was written just now is not relied on
        await timed(client, ask)
        ours.append((await timed(client, ask))[0])
        began = time.perf_counter()
        await anyio.run_process(
            [ruff, "check", "--quiet", "--no-fix", "--output-format", "json", "."], cwd=folder, check=False
        )
        bare.append(time.perf_counter() - began)
    return ours, after, bare


async def run(
    folder: Path, given: Path | None, rounds: int, sections: Sequence[str]
) -> tuple[list[Any], dict[str, float], dict[str, float]]:
    repository, tree, home = folder / "repository", folder / "tree", folder / "home"
    home.mkdir(mode=0o700)
    if given is None:
        _grown.repository(repository)
    else:
        subprocess.run(["git", "clone", "-q", str(given), str(repository)], check=True)
    tree.mkdir()
    large = _grown.LARGE if given is None else _near(repository, 65_536)
    made = [statuses(repository), reads(repository, large)] if "git" in sections else []
    if "files" in sections:
        _grown.tree(tree)
        made.append(cases(repository, tree, large))
    async with AsyncExitStack() as stack:
        quiet = stack.enter_context(open(os.devnull, "w"))  # noqa: SIM115 - the stack closes it
        clients = {
            name: await stack.enter_async_context(Client(stdio_client(server, errlog=quiet)))
            for name, server in servers(repository, tree, home).items()
        }
        alone = Alone(repository, stack)
        try:
            found: Found = {}
            for some in made:
                found |= await measure(some, clients, alone, rounds)
            rows, ratios, targets = compared([case for some in made for case in some], found)
            rows += [row(f"{name}: libgit2 alone, no tool around it", taken) for name, taken in alone.samples.items()]
            ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
            targets |= dict.fromkeys((LINT, AFTER), 1.0) if "lint" in sections else {}
            if ruff is not None and "lint" in sections:
                ours, after, bare = await linted(clients[OURS], ruff, repository, max(rounds // 3, 3))
                rows += [row("lint_check: astro-mcp, ruff", ours), row("lint_check after a change", after)]
                rows += [row("lint_check: ruff itself", bare)]
                ratios[LINT] = median(ours) / (1.5 * median(bare) + 0.020)
                ratios[AFTER] = median(after) / (1.5 * median(bare) + 0.020)
        finally:
            end_daemon(home)
    return rows, ratios, targets


def _near(repository: Path, size: int) -> str:
    """The file of the repository whose size is nearest, by its path."""
    paths = _grown.git(repository, "ls-files", "*.py").splitlines() or _grown.git(repository, "ls-files").splitlines()
    return min(paths, key=lambda path: abs((repository / path).stat().st_size - size))


def main(arguments: Sequence[str]) -> int:
    """On a generated repository of 5,000 commits, or on a clone of the one that `--repo` names."""
    parser = argparse.ArgumentParser(prog="scripts/bench workspace")
    parser.add_argument("--repo", type=Path, help="a repository to measure on, in place of a generated one")
    parser.add_argument("--only", choices=SECTIONS, help="one part of it")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds in place of {ROUNDS}")
    parser.add_argument("--json", action="store_true", help="also one JSON object, on the last line")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        rounds = QUICK if asked.quick else ROUNDS
        sections = [asked.only] if asked.only else SECTIONS
        rows, ratios, targets = anyio.run(run, Path(made).resolve(), asked.repo, rounds, sections)
    return report("workspace", rows, ratios, targets, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
