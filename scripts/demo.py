"""The main job, as a host sees it: an MCP client, the server over stdio, a durable workflow on a real repository.

1. `review-repository` runs on a clone: branch, list, lint, test, index, search, report, commit, each with its time.
2. It runs again, and the daemon is killed (kill -9) during the tests: the run resumes, and no finished step runs twice.
3. It runs again, and the daemon is killed during the commit: it is asked again with its key, and commits once.

Exits 1 where a step did not do its real work: no tests, a runner that broke, no findings read, no hits, no commit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel

from astro_mcp.observe.printable import printable
from astro_mcp.store.audit import read_trail
from demo_checks import LEAST_TESTS, Asked, Shortfall, git, images_of, real_work, same_as_pytest
from demo_target import fetch, unpack

ROOT = Path(__file__).resolve().parent.parent
SERVER = Path(sys.executable).parent / "astro-mcp"
TARGET = ("wsproto", "1.3.2", "b86885dcf294e15204919950f666e06ffc6c7c114ca900b060d6e16293528294")
ENDED = ("succeeded", "failed", "cancelled")
MARKS = {"succeeded": ("✓", "green"), "skipped": ("·", "dim"), "lost": ("?", "red bold")}
PATIENCE = 900.0

console = Console(highlight=False, width=110 if not sys.stdout.isatty() else None, record="--record" in sys.argv)


class Host:
    """What Claude Desktop or an editor is to the server: a client that started it on stdio."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """A tool's structured result; a tool's error ends the demo."""
        result = await self._client.call_tool(tool, arguments)
        structured: dict[str, Any] = result.structured_content or {}
        if result.is_error:
            raise Shortfall(f"{tool}: {structured.get('error', result.content)}")
        return structured

    async def text(self, uri: str) -> str:
        """A resource, whole."""
        result = await self._client.read_resource(uri)
        return "".join(getattr(part, "text", "") for part in result.contents)

    async def step(self, run: str, step: str) -> dict[str, Any]:
        """One step of a run with its whole output."""
        found: dict[str, Any] = json.loads(await self.text(f"astro://runs/{run}/steps/{step}"))
        return found


@asynccontextmanager
async def host(home: Path, clone: Path) -> AsyncIterator[Host]:
    """Start the server as a host would, through the shim."""
    environment = {"ASTRO_MCP_HOME": str(home), "PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    kept = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_CERT")) or k.lower().endswith("_proxy")}
    server = StdioServerParameters(command=str(SERVER), args=["--root", str(clone)], env={**kept, **environment})
    async with Client(server) as client:
        yield Host(client)


def prepare(path: str | None, workplace: Path) -> Path:
    """A clone of `path`, or of the pinned package's source, which becomes a repository first."""
    if path is None:
        archive = fetch(*TARGET, ROOT / ".tools" / "demo")
        source = unpack(archive, workplace / "source")
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", f"{TARGET[0]} {TARGET[1]}"]):
            git(source, *arguments)
    else:
        source = Path(path).resolve()
    try:
        git(workplace, "clone", "-q", "--no-hardlinks", str(source), "clone")
        git(workplace / "clone", "rev-parse", "-q", "--verify", "HEAD^{commit}")
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or "it has no commit"
        raise Shortfall(f"{source} can't be cloned: {reason}") from None
    return workplace / "clone"


async def start(server: Host, branch: str) -> str:
    started = await server.call(
        "workflow_run",
        template="review-repository",
        inputs=json.dumps({"branch": branch}),
        allow=["read", "write", "destroy", "execute", "network"],
        wait_seconds=0,
    )
    return str(started["run_id"])


async def follow(
    server: Asked, run: str, told: set[str], until: Callable[[Mapping[str, Any]], bool], *, poll: float = 2.0
) -> dict[str, Any]:
    """Print each step as it ends, until the run ends, waits, or `until` says so; returns the last status."""
    with anyio.fail_after(PATIENCE):
        while True:
            status = await server.call("workflow_status", run_id=run, wait_seconds=poll)
            for step in status["steps"]:
                if step["id"] not in told and (step["status"] in (*ENDED, "skipped", "lost")):
                    told.add(step["id"])
                    show(step)
            if status["status"] in ENDED or status.get("waiting_for") or until(status):
                return status


def show(step: Mapping[str, Any]) -> None:
    mark, style = MARKS.get(step["status"], ("✗", "red"))
    took = f"{step['ms'] / 1000:7.2f} s" if step.get("ms") is not None else " " * 9
    error = escape(printable(step.get("error") or "", 300))
    console.print(f"  [{style}]{mark}[/] {took}  {step['id']:<10} [dim]{step['tool']}[/] {error}")


async def first_run(home: Path, clone: Path, *, default: bool) -> None:
    console.rule("[bold]1. review-repository, through a client on stdio")
    with images_of(home) as images:
        async with host(home, clone) as server:
            await first(server, clone, images, default=default)


async def first(server: Host, clone: Path, images: Callable[[], list[str]], *, default: bool) -> None:
    run = await start(server, "review")
    status = await follow(server, run, set(), lambda status: False)
    if status["status"] != "succeeded":
        raise Shortfall(f"the run {status['status']}: {status.get('error')}")
    await real_work(server, run, clone, least=LEAST_TESTS if default else 1)
    if default:
        image, own = await same_as_pytest(server, status["outputs"]["tests"], images)
        said = ", ".join(f"{number} {word}" for word, number in own.items())
        console.print(f"  [green]✓[/] pytest's own count in the same image: {said} [dim]({image})[/]")
    report = await server.call("fs_read", path=str(status["outputs"]["report"]))
    console.print(
        Panel(Markdown(printable(report["text"])), title=str(status["outputs"]["report"]), border_style="dim")
    )
    console.print(f"  [green]✓[/] commit {git(clone, 'log', '-1', '--format=%h %an: %s', 'review')}")


async def second_run(home: Path, clone: Path) -> None:
    console.rule("[bold]2. kill -9 during the tests; the run resumes")
    told: set[str] = set()
    finished: set[str] = set()
    run = ""
    try:
        async with host(home, clone) as server:
            run = await start(server, "after-a-crash")
            status = await follow(server, run, told, in_the_tests, poll=0.1)
            finished |= {step["id"] for step in status["steps"] if step["status"] == "succeeded"}
            kill(home, "test_run")
            await follow(server, run, told, lambda status: False, poll=0)
    except Exception as error:  # noqa: BLE001 - the connection broke, as it must: what counts is what comes after
        console.print(f"  [dim]the host lost its server ({type(error).__name__}) and starts it again[/]")
    async with host(home, clone) as server:
        began = time.monotonic()
        status = await follow(server, run, told, lambda status: False)
        if status["status"] != "succeeded":
            raise Shortfall(f"the resumed run {status['status']}: {status.get('error')}")
        await real_work(server, run, clone, least=1)
    twice = repeated(home, run)
    if not finished or twice & finished or "test" not in twice:
        raise Shortfall(f"finished before the kill: {sorted(finished)}; begun twice: {sorted(twice)}")
    took = f"{time.monotonic() - began:.1f} s"
    console.print(
        f"  [green]✓[/] resumed and done in {took}; begun again: {', '.join(sorted(twice))}, in flight at the kill"
    )
    console.print(f"  [green]✓[/] finished before it, and not repeated: {', '.join(sorted(finished))}")


def in_the_tests(status: Mapping[str, Any]) -> bool:
    done = {step["id"] for step in status["steps"] if step["status"] == "succeeded"}
    return running(status, "test") and "list" in done


def running(status: Mapping[str, Any], step: str) -> bool:
    return any(row["id"] == step and row["status"] == "running" for row in status["steps"])


def daemon(home: Path) -> int:
    return int(json.loads((home / "lock").read_text())["pid"])


def kill(home: Path, during: str) -> None:
    pid = daemon(home)
    os.kill(pid, signal.SIGKILL)
    console.print(f"  [red]kill -9 {pid}[/] [dim](the daemon, during {during})[/]")


def stop(home: Path) -> None:
    environment = {**os.environ, "ASTRO_MCP_HOME": str(home)}
    subprocess.run([str(SERVER), "daemon", "stop"], env=environment, capture_output=True, check=False)


def repeated(home: Path, run: str) -> set[str]:
    """The steps that the audit trail saw begin more than once."""
    command = [str(SERVER), "audit", "--json", "--last", "1000"]
    done = subprocess.run(command, env={**os.environ, "ASTRO_MCP_HOME": str(home)}, capture_output=True, check=True)
    begun = [
        row["step"] for row in json.loads(done.stdout)["items"] if row["run_id"] == run and row["phase"] == "intent"
    ]
    return {step for step in begun if begun.count(step) > 1}


async def third_run(home: Path, clone: Path, base: str) -> None:
    console.rule("[bold]3. kill -9 during git_commit; it is asked again with its key, and commits once")
    for attempt in range(1, 9):
        branch = f"once-{attempt}"
        go_to(clone, base)
        dead = False
        run = ""
        try:
            async with host(home, clone) as server:
                run = await start(server, branch)
                dead = await killed_in_the_commit(server, home, run)
        except Exception as error:
            if not dead:
                raise
            console.print(f"  [dim]the host lost its server ({type(error).__name__}) and starts it again[/]")
        if not dead:
            console.print("  [dim]the commit was done before it could be killed; once more[/]")
            continue
        async with host(home, clone) as server:
            status = await follow(server, run, set(), lambda status: False)
            committed_once(clone, f"{base}..{branch}", status)
        return
    raise Shortfall("eight tries, and the daemon never died during git_commit")


async def killed_in_the_commit(server: Host, home: Path, run: str) -> bool:
    """Kill the daemon with git_commit's intent on disk and no outcome; False where the run ended before that."""
    dead = False

    async def to_its_end() -> None:
        await follow(server, run, set(), lambda status: False)
        both.cancel_scope.cancel()

    async with anyio.create_task_group() as both:
        both.start_soon(to_its_end)
        while not dead:
            if await in_the_commit(home, run):
                dead = await killed_if_still(home, run)
            await anyio.sleep(0.005)
        both.cancel_scope.cancel()
    return dead


async def killed_if_still(home: Path, run: str) -> bool:
    """The daemon stands still while the trail is looked at again: what is not in it then never will be."""
    pid = daemon(home)
    os.kill(pid, signal.SIGSTOP)
    while not await anyio.to_thread.run_sync(standing, pid):  # noqa: ASYNC110 - another process sets no event
        await anyio.sleep(0.002)
    if not await in_the_commit(home, run):
        os.kill(pid, signal.SIGCONT)
        return False
    kill(home, "git_commit")
    return True


async def in_the_commit(home: Path, run: str) -> bool:
    """Whether the run's git_commit has its intent in the audit trail, and no outcome."""
    rows = await read_trail(home / "astro.db", 20)
    return {row["phase"] for row in rows if (row["run_id"], row["tool"]) == (run, "git_commit")} == {"intent"}


def standing(pid: int) -> bool:
    """Whether the process has been stopped."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    return told.startswith("T")


def committed_once(clone: Path, made: str, status: Mapping[str, Any]) -> None:
    """The run went on by itself. `made` is the range of commits that are the run's."""
    if status["status"] != "succeeded":
        raise Shortfall(f"git_commit was killed, and the run is {status['status']}: {status}")
    if commits(clone, made) != 1:
        raise Shortfall("there is not exactly one commit on the branch")
    console.print(f"  [green]✓[/] the run is succeeded, with one commit on {made.rpartition('..')[2]}")


def commits(clone: Path, which: str) -> int:
    return int(git(clone, "rev-list", "--count", which))


def go_to(clone: Path, commit: str) -> None:
    """Each run begins where the clone began, whatever the branches of the repository are called."""
    git(clone, "switch", "-q", "--detach", commit)


async def demo(path: str | None) -> None:
    with tempfile.TemporaryDirectory(prefix="astro-demo-") as folder:
        workplace = Path(folder)
        home = workplace / "home"
        clone = prepare(path, workplace)
        base = git(clone, "rev-parse", "HEAD")
        console.print(f"[dim]{path or ' '.join(TARGET[:2])}, cloned; the server: {SERVER.name} --root {clone.name}[/]")
        try:
            await first_run(home, clone, default=path is None)
            go_to(clone, base)
            await second_run(home, clone)
            await third_run(home, clone, base)
        finally:
            stop(home)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("path", nargs="?", help="a git repository; without one, a public package's source")
    parser.add_argument("--record", metavar="FILE", help="write what was shown as SVG")
    given = parser.parse_args()
    status = 0
    try:
        anyio.run(demo, given.path)
        console.print("[green bold]done[/]: every step did its real work")
    except* Shortfall as shortfalls:  # the client's task groups wrap what is raised inside of them
        console.print(f"[red bold]not done:[/] {escape(printable(reason(shortfalls)))}")
        status = 1
    if given.record:
        console.save_svg(given.record, title="scripts/demo")
    return status


def reason(error: BaseException) -> str:
    """The one error at the bottom of groups of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
