"""`print(1)` in the sandbox: waiting container, session, cold; bare Python, docker run, the SDK, llm-sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import anyio
import anyio.to_thread
import docker

from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Scope
from astro_mcp.packs import Pack
from astro_mcp.sandbox import owner
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from benchmarks._rates import CLIENTS, RUNS, burst, measured
from benchmarks._report import report, row

ROUNDS = 15
CODE = "print(1)"
JOB = Job(("python3", "main.py"), files=(SandboxFile("main.py", CODE.encode()),), script=True, collect="")
SCOPE = Scope("local", "bench")
TARGETS = {"pool / docker run": 1 / 20, "pool, ms": 10, "session, ms": 8}
Timed = Callable[[], Awaitable[float]]


def bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", CODE], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def docker_run(image: str) -> float:
    """As a person would: no hardening but no network."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", CODE]
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def sdk(client: Any, image: str) -> float:
    """The SDK's create, attach, start, wait: what a careful server without a pool does."""
    began = time.perf_counter()
    made = client.create_container(
        image, entrypoint=["python3"], command=["-c", CODE], host_config=client.create_host_config(network_mode="none")
    )
    try:
        said = client.attach(made["Id"], stream=True, logs=True)
        client.start(made["Id"])
        client.wait(made["Id"])
        if b"".join(said).strip() != b"1":
            raise RuntimeError("the SDK's container did not print 1")
        return time.perf_counter() - began
    finally:
        client.remove_container(made["Id"], force=True)


@contextmanager
def peer(image: str) -> Iterator[Callable[[str], float] | None]:
    """llm-sandbox in its own environment; None where it is not installed."""
    python = Path(os.environ.get("ASTRO_BENCH_PEERS", "")) / "bin" / "python"
    if not python.is_file():
        yield None
        return
    script = str(Path(__file__).with_name("_llm_sandbox.py"))
    child = subprocess.Popen(
        [str(python), script, image],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        if child.stdout.readline().strip() != "ready":
            raise RuntimeError("llm-sandbox did not start")

        def ask(word: str) -> float:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(f"{word}\n")
            child.stdin.flush()
            return float(child.stdout.readline())

        yield ask
    finally:
        child.stdin.close()
        child.wait(60)
        child.stdout.close()


async def timed(run: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    outcome = await run()
    took = time.perf_counter() - began
    if outcome.stdout != b"1\n":
        raise RuntimeError(f"the sandbox said {outcome.stdout!r} {outcome.stderr!r}")
    return took


async def settled(sandbox: Sandbox, client: Any) -> None:
    """Until every container that is wanted waits, and every one that was used is gone: what is timed is a run, and not
    the making of the next container nor the end of the last."""
    pool = sandbox._pool
    assert pool is not None
    kept = {"label": f"{owner.HOUSE}={sandbox._labels[owner.HOUSE]}"}
    while True:
        await anyio.sleep(0.02)
        waiting = pool.counts().get(sandbox.tag, 0)
        if waiting < 1 or any(shelf.lacks or shelf.filling for shelf in pool._shelves.values()):
            continue
        there = await anyio.to_thread.run_sync(lambda: client.containers(all=True, filters=kept))
        if len(there) == waiting + len(sandbox.sessions(SCOPE)):
            return


async def measure(folder: Path) -> tuple[list[dict[str, Any]], dict[str, float]]:
    resources = Pack.find().resources / "sandbox"
    warm = Sandbox(SandboxSettings(), folder / "warm", resources)
    cold = Sandbox(SandboxSettings(warm=0), folder / "cold", resources)
    client = docker.APIClient("unix:///var/run/docker.sock", version="auto")
    in_thread = anyio.to_thread.run_sync

    with peer(warm.tag) as ask:
        async with warm.warm():
            contenders: dict[str, Timed] = {
                "astro-mcp, waiting container (pool)": lambda: timed(lambda: warm.run(JOB)),
                "astro-mcp, session": lambda: timed(lambda: warm.turn(SCOPE, "bench", JOB)),
                "astro-mcp, cold": lambda: timed(lambda: cold.run(JOB)),
                "bare host python": lambda: in_thread(bare),
                "docker run --rm": lambda: in_thread(docker_run, warm.tag),
                "Docker SDK, cold": lambda: in_thread(sdk, client, warm.tag),
            }
            if ask is not None:
                contenders["llm-sandbox, open session"] = lambda: in_thread(ask, "open")
            await timed(lambda: warm.run(JOB))
            for run in contenders.values():
                await settled(warm, client)
                await run()
            samples: dict[str, list[float]] = {label: [] for label in contenders}
            for number in range(ROUNDS):
                for label, run in contenders.items():
                    await settled(warm, client)  # a container's beginning and end take the core of whoever is timed
                    samples[label].append(await run())
                if ask is not None and number % 5 == 0:  # its closing takes ten seconds
                    samples.setdefault("llm-sandbox, fresh session", []).append(await in_thread(ask, "fresh"))
            bursts, whole = await burst(lambda: timed(lambda: warm.run(JOB)))
            rates = await measured(lambda: timed(lambda: warm.run(JOB)), warm)
        await warm.close()
        await cold.close()
    client.close()
    rows = [row(label, values) for label, values in samples.items()]
    rows.append(row(f"burst: {RUNS} runs by {CLIENTS} clients", bursts))
    rows.append(
        {"name": "burst, p95", "note": f"{quantiles(bursts, n=20)[-1] * 1000:.0f} ms; all in {whole:.1f} s, none lost"}
    )
    rows += rates.rows()
    mid = {label: median(values) for label, values in samples.items()}
    waited = mid["astro-mcp, waiting container (pool)"]
    ratios = {
        "pool / docker run": waited / mid["docker run --rm"],
        "pool / bare python": waited / mid["bare host python"],
        "pool, ms": waited * 1000,
        "session, ms": mid["astro-mcp, session"] * 1000,
    }
    ratios |= rates.ratios()
    if "llm-sandbox, open session" in mid:
        ratios["session / llm-sandbox"] = mid["astro-mcp, session"] / mid["llm-sandbox, open session"]
    return rows, ratios


def main(arguments: Sequence[str]) -> int:
    """Rounds are interleaved: whatever else the machine does meets all of them alike."""
    with tempfile.TemporaryDirectory() as made:
        rows, ratios = anyio.run(measure, Path(made), backend_options={"use_uvloop": True})
    return report("sandbox", rows, ratios, TARGETS, as_json="--json" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
