"""A pytest plugin (`-p pytest_jsonl`) that writes one JSON line an event to the file named by ASTRO_PYTEST_EVENTS, and
to stdout one short line a finished test, behind a record separator (U+001E), for whoever watches.

Each line is written whole before pytest goes on, so what ran is told even where the interpreter dies. Needs nothing
but pytest 7 or newer. Runs inside the sandbox; whoever reads the lines takes them for hostile.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest

MESSAGE = 2_000
TRACE = 12_000
OUTPUT = 4_000
LONGEST = 1e7  # seconds
FULL = 1_000  # failures with their traces; of those beyond there is the message

PLACE = re.compile(
    r'^(?P<path>[^\s:]+):(?P<line>\d{1,8}): in |^E +File "(?P<file>[^"\n]+)", line (?P<number>\d{1,8})$', re.MULTILINE
)

# Bound now: tests replace os, json and open with their own while reports are made.
_write, _getpid, _stat = os.write, os.getpid, os.stat
_encoded = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).iterencode


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("ASTRO_PYTEST_EVENTS")
    if path and not hasattr(config, "workerinput"):  # a worker of a parallel run reports through its controller
        os.makedirs(os.path.dirname(path), exist_ok=True)
        events = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        config.pluginmanager.register(Recorder(config, events, _STDOUT), "astro-jsonl")


Report = pytest.CollectReport | pytest.TestReport

# pytest points descriptor 1 elsewhere while tests run, and does so after it has imported its `-p` plugins.
_STDOUT = os.dup(1)


class Recorder:
    """Writes to the descriptor `events` what happens, and to `progress` what is done."""

    def __init__(self, config: pytest.Config, events: int, progress: int) -> None:
        self._config = config
        self._events = events
        self._progress = progress
        self._pid = _getpid()
        self._done = 0
        self._failed = 0
        self._total = 0
        self._emit(event="start", version=pytest.__version__)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items)
        self._emit(event="collected", total=self._total)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Workers of a parallel run collect in place of this process: each the same, of which each test runs once, or
        in every worker."""
        if not self._total or self._config.getoption("dist", "") == "each":
            self._total += len(ids)
            self._emit(event="collected", total=len(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._report(report, "error", "collect")
        elif report.skipped:
            self._report(report, "skipped", "collect")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._emit(event="running", id=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # The category that pytest itself counts the report under; "" counts nowhere.
        status = self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        self._report(report, status[0] if status else "", report.when)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._emit(event="finished", id=nodeid)
        self._done += 1
        self._line(self._progress, {"done": self._done, "total": self._total, "id": nodeid}, b"\x1e")

    def pytest_internalerror(self, excrepr: object) -> None:
        self._emit(event="stopped", message=cut(str(excrepr), TRACE))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._emit(event="stopped", message=cut(str(excinfo.value), MESSAGE))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._emit(event="end", exit_code=int(exitstatus))

    def _report(self, report: Report, category: str, when: str | None) -> None:
        extra: dict[str, Any] = {}
        if report.failed:
            self._failed += 1
            extra = failure(report, str(self._config.rootpath))
            if self._failed > FULL:
                extra["trace"] = extra["stdout"] = extra["stderr"] = ""
        duration = getattr(report, "duration", 0.0)  # where a test froze the clock, before now or in millions of hours
        seconds = round(duration, 6) if 0 <= duration <= LONGEST else 0.0
        self._emit(event="report", id=report.nodeid, when=when, category=category, seconds=seconds, **extra)

    def _emit(self, **record: Any) -> None:
        self._line(self._events, record)

    def _line(self, descriptor: int, record: dict[str, Any], before: bytes = b"") -> None:
        if _getpid() == self._pid:  # a test that forks has a child with this object in it
            text = "".join(_encoded(record, _one_shot=True))
            data = before + text.encode("utf-8", "replace") + b"\n"  # a lone surrogate is no JSON to most readers
            while data:
                data = data[_write(descriptor, data) :]


def failure(report: Report, root: str) -> dict[str, Any]:
    """Where and why a report failed: the innermost place within the project, else where pytest saw the crash."""
    longrepr, text = report.longrepr, report.longreprtext
    crash = getattr(longrepr, "reprcrash", None)
    place = location(longrepr, root) or (crash and (crash.path, crash.lineno)) or written(text, root) or begun(report)
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    message = crash.message if crash else lines[-1] if lines else last(text)
    return {
        "file": relative(str(place[0]) or report.nodeid.split("::")[0], root),
        "line": place[1],
        "message": cut(message, MESSAGE),
        "trace": cut(text, TRACE),
        "stdout": cut(getattr(report, "capstdout", ""), OUTPUT),
        "stderr": cut(getattr(report, "capstderr", ""), OUTPUT),
    }


def last(text: str) -> str:
    """The last line of what is no traceback; what ends in a hint begins with what it is about."""
    rest, _, line = text.strip().rpartition("\n")
    return " ".join(rest.split()) if line.startswith("HINT: ") else line


def location(longrepr: object, root: str) -> tuple[str, int] | None:
    entries = getattr(getattr(longrepr, "reprtraceback", None), "reprentries", ())
    for entry in reversed(entries):
        place = getattr(entry, "reprfileloc", None)
        if place is None:
            continue
        path = relative(place.path, root)
        if not path.startswith(("/", "..")) and there(f"{root}/{path}"):
            return path, place.lineno
    return None


def written(text: str, root: str) -> tuple[str, int] | None:
    """The innermost place within the project of a file that could not be imported: of that there is text alone."""
    for match in reversed(list(PLACE.finditer(text))):
        path = relative(match["file"] or match["path"], root)
        if not path.startswith(("/", "..")) and there(f"{root}/{path}"):
            return path, int(match["line"] or match["number"])
    return None


def begun(report: Report) -> tuple[str, int]:
    """Where the test itself begins, which is no place where it failed."""
    path, line, _ = getattr(report, "location", None) or ("", None, "")
    return (path, line + 1) if line is not None else ("", 0)


def there(path: str) -> bool:
    try:
        _stat(path)
    except (OSError, ValueError):
        return False
    return True


def relative(path: str, root: str) -> str:
    return path[len(root) + 1 :] if path.startswith(root + "/") else path


def cut(text: str, most: int) -> str:
    """Head and tail, and how much is missing between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
