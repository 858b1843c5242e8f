"""A pytest plugin (`-p pytest_covered`) that counts lines by coverage.py, and writes to `out/covered-PID.jsonl` which
of each file ran, and what each test touched: files whose lines it ran, and files of the project that it opened.

Nothing but these lines leaves the process; coverage.py's data stay in memory. Workers of a parallel run, and processes
that are forked and end by `os._exit` as multiprocessing's do, write files of their own. The project's own settings of
coverage.py hold, but branches are not counted. Runs inside the sandbox; whoever reads what it writes takes it for
hostile.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import coverage
import pytest
from astro_impact import bodies, skeleton, spans
from coverage.exceptions import ConfigError

HERE = Path(__file__).parent
TOP = f"{HERE.parent}/"
OURS = f"{HERE}/"
FORKS = 100  # that write what they ran
FIXTURE = "fixture\x1f"  # a context of what a fixture ran that several tests share
STARTS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.spawn", "os.fork", "os.forkpty"}
ODD = coverage.CoverageException, ConfigError  # of which neither is the other's in every version
# Bound now: tests replace them with their own, and open files then.
_getcwd, _fsdecode, _normpath, _thread = os.getcwd, os.fsdecode, os.path.normpath, threading.get_ident
OPENS = {"open", "sqlite3.connect"}
ELSEWHERE = "multiprocessing.popen_spawn_posix", "multiprocessing.popen_forkserver"  # start processes without an event


def measure() -> coverage.Coverage:
    """Started, with the project's settings where they can be read."""
    try:
        found = coverage.Coverage(data_file=None)
    except ODD:
        found = coverage.Coverage(data_file=None, config_file=False)
    if not any(_option(found, f"run:{name}") for name in ("source", "source_pkgs", "source_dirs", "include")):
        found.set_option("run:source", [path for path in (TOP, f"{TOP}src") if os.path.isdir(path)])
    for name in ("run:dynamic_context", "run:branch", "run:parallel"):
        found.set_option(name, None)
    found.start()
    return found


def _option(measured: coverage.Coverage, name: str) -> object:
    """None where this version of coverage.py has no such option."""
    try:
        return measured.get_option(name)
    except ODD:
        return None


def _place(path: str | bytes) -> str:
    """The whole path; "" where the working folder is gone."""
    text = _fsdecode(path)
    try:
        return _normpath(text if text.startswith("/") else f"{_getcwd()}/{text}")
    except OSError:
        return ""


class Recorder:
    """What runs, by the test that it runs for; "" is none."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self._context = ""
        self._opened: dict[str, set[str]] = {}
        self._spawned: set[str] = set()
        self._fixtures: dict[str, list[str]] = {}
        self._shared: set[str] = set()
        self._open = True
        self._own = _thread()
        sys.addaudithook(self._audit)
        self._look_at_imports()
        os.register_at_fork(after_in_child=self._forked)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._open:
            return
        if event in OPENS and isinstance(path := arguments[0], (str, bytes)):
            full = _place(path)
            code = full.endswith(".pyc" if self._context else (".py", ".pyc"))  # which is imported then
            if full.startswith(TOP) and not full.startswith(OURS) and not code:
                self._opened.setdefault(self._context, set()).add(full[len(TOP) :])
        elif event in STARTS:
            self._spawned.add(self._context)

    def _look_at_imports(self) -> None:
        """A module that a test is the first to import is there for all tests after it: what runs and is read by its
        import is no test's own, as where it is imported before any."""
        load = SourceFileLoader.exec_module

        def exec_module(loader: SourceFileLoader, module: Any) -> None:
            __tracebackhide__ = True
            ours = self._open and self._context and _thread() == self._own
            if not ours or not (path := _place(loader.path)).startswith(TOP):
                return load(loader, module)
            self._opened.setdefault(self._context, set()).add(path[len(TOP) :])
            before = self._enter("")
            try:
                return load(loader, module)
            finally:
                self._enter(before)

        SourceFileLoader.exec_module = exec_module  # type: ignore[assignment] # importlib has no hook for it

    def _forked(self) -> None:
        end: Callable[[int], Any] = os._exit

        def flush(status: int) -> None:
            try:
                if len(os.listdir(HERE / "out")) < FORKS:
                    self.write()
            finally:
                end(status)

        os._exit = flush  # type: ignore[assignment] # the child's own: its end is where its lines are known

    def _enter(self, context: str) -> str:
        before, self._context = self._context, context
        self._measured.switch_context(context)
        return before

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._fixtures[item.nodeid] = list(getattr(item, "fixturenames", ()))
        self._enter(item.nodeid)
        yield
        self._enter("")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            yield
            return
        name = fixturedef.argname
        if name not in self._fixtures.get(self._context, (name,)):
            self._shared.add(FIXTURE + name)  # asked for at run time, by whichever test
        before = self._enter(FIXTURE + name)
        yield
        self._enter(before)

    def pytest_unconfigure(self) -> None:
        self._measured.stop()
        self.write()

    def write(self) -> None:
        """All of it, once."""
        self._open = False
        data = self._measured.get_data()
        (HERE / "out").mkdir(exist_ok=True)
        with open(HERE / "out" / f"covered-{os.getpid()}.jsonl", "w", encoding="utf-8", errors="replace") as out:
            for path in sorted(data.measured_files()):
                if path.startswith(TOP) and not path.startswith(OURS):
                    self._file(out, path, data.contexts_by_lineno(path))
            names = sorted({path for opened in self._opened.values() for path in opened})
            index = {path: number for number, path in enumerate(names)}
            _line(out, kind="names", paths=names)
            for test in self._fixtures:
                _line(out, **self._test(test, index))
            shared = {path for context in {"", *self._shared} for path in self._opened.get(context, ())}
            away = bool(self._spawned or any(name in sys.modules for name in ELSEWHERE))
            _line(out, kind="end", common=[index[path] for path in sorted(shared)], away=away)

    def _contexts(self, test: str) -> set[str]:
        return {test, *self._shared, *(FIXTURE + name for name in self._fixtures[test])}

    def _test(self, test: str, index: dict[str, int]) -> dict[str, Any]:
        contexts = self._contexts(test)
        opened = {path for context in contexts for path in self._opened.get(context, ())}
        spawned = bool(contexts & self._spawned) or any(name in sys.modules for name in ELSEWHERE)
        return {"kind": "test", "id": test, "opened": sorted(index[path] for path in opened), "spawned": spawned}

    def _file(self, out: Any, path: str, by_line: dict[int, list[str]]) -> None:
        try:
            source = Path(path).read_bytes()
            _, statements, _, missing, _ = self._measured.analysis2(path)
        except (*ODD, OSError):
            return
        early = any("" in by_line.get(line, ()) for line in bodies(source))
        found = {context for contexts in by_line.values() for context in contexts}
        ran = set(statements) - set(missing)
        _line(
            out,
            kind="file",
            path=path[len(TOP) :],
            statements=ranges(set(statements)),
            ran=ranges(ran),
            spans=spans(source),
            skeleton=skeleton(source),
            early=early,
            tests=[number for number, test in enumerate(self._fixtures) if found & self._contexts(test)],
        )


def _line(out: Any, **record: Any) -> None:
    out.write(json.dumps(record, separators=(",", ":")) + "\n")


def ranges(lines: set[int]) -> list[list[int]]:
    """`[first, last]` of each run of numbers."""
    found: list[list[int]] = []
    for line in sorted(lines):
        if found and found[-1][1] == line - 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RECORDER, "astro-covered")


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """One tracer at a time: pytest-cov, where the project's settings ask for it, stands back."""
    if hasattr(early_config.known_args_namespace, "cov_source"):
        early_config.known_args_namespace.cov_source = []
    yield


RECORDER = Recorder(measure())
