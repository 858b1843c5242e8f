"""For every suite: the event loop, the long forms behind `--full`, and each suite's budget of seconds."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox import verdict
from astro_mcp.sandbox.sandbox import Sandbox

TESTS = Path(__file__).parent
WHOLE = "the whole run"
TURNS = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long forms of the slow suites too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--full"):
        chosen = [item for item in items if item.get_closest_marker("full") is None]
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("full") is not None])
        items[:] = chosen


def pytest_configure(config: pytest.Config) -> None:
    """One process leads the run and counts its seconds. Where it has workers, they run the tests, in turns."""
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker is None:
        budget = Budget(config.rootpath, full=bool(config.getoption("--full")))
        config.pluginmanager.register(budget, "budget")
    else:
        config.pluginmanager.register(Turns(Path(worker["turns"])), "turns")
    if worker is not None or not config.getoption("numprocesses", None):
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)  # the tests' own children are not measured


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker where the locks of its run are."""
    stash = node.config.stash
    if TURNS not in stash:
        stash[TURNS] = Path(tempfile.mkdtemp(prefix="astro-turns-"))
    node.workerinput["turns"] = str(stash[TURNS])


def pytest_unconfigure(config: pytest.Config) -> None:
    if turns := config.stash.get(TURNS, None):
        shutil.rmtree(turns, ignore_errors=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def known_engine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Lets a new data folder's `images/` know what a canary found in another one: it takes a second."""
    first = tmp_path_factory.mktemp("engine") / "images"

    async def look() -> None:
        sandbox = Sandbox(SandboxSettings(), first, TESTS.parent / "resources/sandbox")
        await sandbox.engine()
        await sandbox.close()

    anyio.run(look)

    def known(folder: Path) -> None:
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(first / verdict.FILE, folder)

    return known


class Budget:
    """Adds up the seconds of each suite (a folder of `tests/`) and takes those of the whole run, collection and all;
    fails the run where one spent more than it has."""

    def __init__(self, root: Path, *, full: bool) -> None:
        table = tomllib.loads((TESTS / "budget.toml").read_text())
        form = "full" if full else "suites"
        self.root = root
        self.seconds: dict[str, float] = table[form]
        self.spent: dict[str, float] = defaultdict(float)
        self.most: float = table["whole"][form]
        self.began = time.monotonic()
        self.whole = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.spent[suite(self.root / report.nodeid.partition("::")[0])] += report.duration

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.whole = time.monotonic() - self.began
        if self.over() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def over(self) -> list[str]:
        suites = [name for name, spent in self.spent.items() if spent > self.seconds.get(name, 0)]
        return [*suites, WHOLE] if self.whole > self.most else suites

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("seconds, spent of budget")
        rows = [(name, spent, self.seconds.get(name, 0)) for name, spent in sorted(self.spent.items())]
        for name, spent, seconds in [*rows, (WHOLE, self.whole, self.most)]:
            mark = "  OVER BUDGET" if name in self.over() else ""
            terminalreporter.line(f"{name:14} {spent:7.1f} of {seconds:g}{mark}")


class Turns:
    """Two locks in `folder` for the workers of a run: all tests share the one, and one that is `alone` takes it. Who
    waits for it holds the other, so that nobody goes past. The system takes both from a worker that dies."""

    def __init__(self, folder: Path) -> None:
        self.gate, self.floor = folder / "gate", folder / "floor"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with self.turn(alone=item.get_closest_marker("alone") is not None):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, Any, Any]:
        """What a test wrote may hold halves of characters, which no message between processes can."""
        return whole_characters((yield))

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        with self.floor.open("a") as floor:
            with self.gate.open("a") as gate:
                fcntl.flock(gate, fcntl.LOCK_EX)
                fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield


def whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {name: whole_characters(item) for name, item in value.items()}
    return type(value)(whole_characters(item) for item in value) if isinstance(value, list | tuple) else value


def suite(path: Path) -> str:
    """The folder right below `tests/`."""
    return path.relative_to(TESTS).parts[0]
