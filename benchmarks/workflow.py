"""Steps of workflows, chained and fanned out: ours, DBOS, Prefect, Temporal's dev server, and bare aiosqlite."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import sub, truediv
from pathlib import Path
from statistics import median
from typing import Any, Final

import anyio
import anyio.to_thread

from benchmarks._floor import floor
from benchmarks._history import fill
from benchmarks._ours import MOST, ours
from benchmarks._peers import Ask, installed
from benchmarks._report import report, row

TARGETS: Final = {
    "chain, FULL: ms a step over the floor": 1.0,
    "fan-out, FULL: 5,000 steps/s / ours": 1.0,
    "fan-out: ours / DBOS, SQLite": 0.1,
    "fan-out: ours / Prefect": 0.1,
    "chain: long in use / new": 1.1,
    "fan-out: long in use / new": 1.1,
}
KINDS: Final = {"chain": "two commits a step", "fan-out": "group commit"}
"""With the name of its floor."""
MODES: Final = ("FULL", "NORMAL")
Run = Callable[[int], Awaitable[float]]
"""The seconds of so many steps."""


@dataclass(frozen=True, slots=True)
class Form:
    """How much is measured: rounds, steps of ours and of a peer by kind, and finished runs in the store that is long in
    use."""

    rounds: int
    steps: dict[str, int]
    peers: dict[str, int]
    runs: int = 100_000


WHOLE: Final = Form(9, {"chain": 100, "fan-out": 1000}, {"chain": 100, "fan-out": 1000})
QUICK: Final = Form(3, {"chain": 100, "fan-out": 1000}, {"chain": 20, "fan-out": 100})


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds a step, by name, in the order in which they were measured."""

    found: dict[str, list[float]] = field(default_factory=dict)

    async def add(self, name: str, run: Run, count: int) -> None:
        self.found.setdefault(name, []).append(await run(count) / count)

    def compared(self, one: str, how: Callable[[float, float], float], other: str) -> float:
        """The median over neighbours in time: a machine that gets slower meanwhile slows both of a pair."""
        return median(how(a, b) for a, b in zip(self.found[one], self.found[other], strict=True))

    def rows(self) -> Iterator[dict[str, Any]]:
        for name, samples in self.found.items():
            yield {**row(name, samples, "ms a step"), "note": f"{1 / median(samples):,.0f} steps/s"}


@asynccontextmanager
async def contenders(folder: Path, runs: int) -> AsyncIterator[dict[str, Run]]:
    """What is measured in each round: the floors, ours on new stores, ours on one with many runs."""
    found: dict[str, Run] = {}
    async with AsyncExitStack() as stack:
        bare = {mode: await stack.enter_async_context(floor(folder / f"{mode}.db", mode)) for mode in MODES}
        new = {mode: await stack.enter_async_context(ours(folder / mode, mode)) for mode in MODES}
        used = await stack.enter_async_context(ours(folder / "used", "FULL"))
        await fill(used, runs)
        for kind in KINDS:
            for mode in MODES:
                found[f"{kind}, {mode}: floor, {KINDS[kind]}"] = partial(bare[mode].run, kind)
                found[f"{kind}, {mode}: ours"] = partial(new[mode].run, kind)
            found[f"{kind}, FULL: ours, {runs:,} finished runs"] = partial(used.run, kind)
        yield found


async def alone(samples: Samples, folder: Path, form: Form) -> dict[str, float]:
    """Ours and the floors in turn, after a first round that warms them; returns the ratios."""
    async with contenders(folder, form.runs) as found:
        for turn in range(form.rounds + 1):
            for name, run in found.items():
                await (samples if turn else Samples()).add(name, run, form.steps[name.partition(",")[0]])
    ratios: dict[str, float] = {}
    for kind, how in KINDS.items():
        for mode in MODES:
            mine, bare = f"{kind}, {mode}: ours", f"{kind}, {mode}: floor, {how}"
            ratios[f"{kind}, {mode}: ours / floor"] = samples.compared(mine, truediv, bare)
            ratios[f"{kind}, {mode}: ms a step over the floor"] = samples.compared(mine, sub, bare) * 1000
        many, new = f"{kind}, FULL: ours, {form.runs:,} finished runs", f"{kind}, FULL: ours"
        ratios[f"{kind}: long in use / new"] = samples.compared(many, truediv, new)
    ratios["fan-out, FULL: 5,000 steps/s / ours"] = median(samples.found["fan-out, FULL: ours"]) * 5000
    return ratios


async def asked(ask: Ask, kind: str, count: int) -> float:
    """What a peer tells; raises TimeoutError where it says nothing for long."""
    with anyio.fail_after(MOST):
        return await anyio.to_thread.run_sync(ask, kind, count, abandon_on_cancel=True)


async def beside(samples: Samples, folder: Path, form: Form) -> dict[str, float]:
    """Each peer, one at a time, and ours in turn with it; returns the ratios."""
    ratios: dict[str, float] = {}
    async with ours(folder / "beside", "FULL") as mine:
        for name, peer in installed().items():
            with peer(folder) as ask:
                for kind in KINDS:
                    peer_run, own_run = partial(asked, ask, kind), partial(mine.run, kind)
                    await peer_run(5)
                    await own_run(form.steps[kind])
                    own = f"{kind}, FULL: ours, beside {name}"
                    await samples.add(f"{kind}: {name}", peer_run, form.peers[kind])
                    await samples.add(own, own_run, form.steps[kind])
                    ratios[f"{kind}: ours / {name}"] = samples.compared(own, truediv, f"{kind}: {name}")
    return ratios


async def measure(folder: Path, form: Form) -> tuple[list[dict[str, Any]], dict[str, float]]:
    samples = Samples()
    ratios = await alone(samples, folder, form) | await beside(samples, folder, form)
    return list(samples.rows()), ratios


def main(arguments: Sequence[str]) -> int:
    """`--quick` measures fewer rounds, and fewer steps of the peers."""
    form = QUICK if "--quick" in arguments else WHOLE
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)  # a server that runs as another user has its folder in there
        rows, ratios = anyio.run(measure, Path(made), form, backend_options={"use_uvloop": True})
    return report("workflow", rows, ratios, TARGETS, as_json="--json" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
