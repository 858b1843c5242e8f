"""For every suite: the event loop, the long forms behind `--full`, and each suite's budget of seconds."""

from __future__ import annotations

import shutil
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox import verdict
from astro_mcp.sandbox.sandbox import Sandbox

TESTS = Path(__file__).parent
WHOLE = "the whole run"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long forms of the slow suites too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--full"):
        chosen = [item for item in items if "full" not in item.keywords]
        config.hook.pytest_deselected(items=[item for item in items if "full" in item.keywords])
        items[:] = chosen


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Budget(full=bool(config.getoption("--full"))), "budget")


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
    """Adds up the seconds of each suite (a folder of `tests/`) and of the whole run, collection and all, and fails the
    run where one spent more than it has."""

    def __init__(self, *, full: bool) -> None:
        table = tomllib.loads((TESTS / "budget.toml").read_text())
        form = "full" if full else "suites"
        self.seconds: dict[str, float] = table[form]
        self.spent: dict[str, float] = defaultdict(float)
        self.most: float = table["whole"][form]
        self.began = time.monotonic()
        self.whole = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self.spent[suite(item.path)] += time.monotonic() - began

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


def suite(path: Path) -> str:
    """The folder right below `tests/`."""
    return path.relative_to(TESTS).parts[0]
