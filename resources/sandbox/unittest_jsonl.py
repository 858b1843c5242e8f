"""`unittest_jsonl.py [PATH or ID ...]`: runs tests with the standard library's unittest, and writes one JSON line an
event to the file named by ASTRO_EVENTS, and to stdout one short line a finished test, behind a record separator
(U+001E), for whoever watches.

With nothing named it does what `python -m unittest` does. A folder is searched as `unittest discover` does it. An id is
what unittest calls a test by, behind `FOLDER::` where its module is imported from that folder; those of several folders
run in an interpreter for each, as modules of two may have one name. What a module's `load_tests` made and nothing
loads by its name (a function, a doctest) is `MODULE.load_tests.NAME`: that is the module's tests of this name.

Each line is written whole before the next test begins, so what ran is told even where the interpreter dies. Runs inside
the sandbox; whoever reads the lines takes them for hostile.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import subprocess
import sys
import time
import traceback
import unittest
from typing import Any

MESSAGE = 2_000
TRACE = 12_000
OUTPUT = 4_000
LOADER = "unittest.loader."
MADE = ".load_tests."
MADE_BY = "_astro_made_by"
PATTERN = "test*.py"  # unittest's own
FULL = 1_000  # failures with their traces; of those beyond there is the message
TOP = os.getcwd()
OURS = os.path.dirname(os.path.abspath(__file__))

# Bound now: tests replace os, json and time with their own.
_write, _pread, _fstat, _ftruncate, _lseek, _dup2 = os.write, os.pread, os.fstat, os.ftruncate, os.lseek, os.dup2
_clock, _getpid = time.monotonic, os.getpid
_encoded = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).iterencode


class Lines:
    """Where events go, and what the tests print meanwhile: descriptors 1 and 2 lead to a file that holds what one test
    printed. Python's own streams stay as they are, as tests may look at them."""

    def __init__(self) -> None:
        path = os.environ["ASTRO_EVENTS"]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._pid = _getpid()
        self._events = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._progress, self.told = os.dup(1), os.dup(2)
        self._printed = os.memfd_create("printed")
        for descriptor in (1, 2):
            _dup2(self._printed, descriptor)

    def restore(self) -> None:
        """What is printed from now on is seen: the interpreter's own last words."""
        self.printed()  # whatever is still on its way
        _dup2(self._progress, 1)
        _dup2(self.told, 2)

    def emit(self, **record: Any) -> None:
        self._line(self._events, record)

    def progress(self, done: int, total: int, test: str) -> None:
        self._line(self._progress, {"done": done, "total": total, "id": test}, b"\x1e")

    def forget(self) -> None:
        _ftruncate(self._printed, 0)
        _lseek(self._printed, 0, os.SEEK_SET)  # which descriptors 1 and 2 share

    def printed(self) -> str:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                continue  # the test's own, or closed by it
        size = _fstat(self._printed).st_size
        most = 4 * OUTPUT
        if size <= 2 * most:
            return _pread(self._printed, size, 0).decode("utf-8", "replace")
        pieces = (_pread(self._printed, most, 0), _pread(self._printed, most, size - most))
        return b"\n[...]\n".join(pieces).decode("utf-8", "replace")

    def _line(self, descriptor: int, record: dict[str, Any], before: bytes = b"") -> None:
        if _getpid() == self._pid:  # a test that forks has a child with this object in it
            text = "".join(_encoded(record, _one_shot=True))
            data = before + text.encode("utf-8", "replace") + b"\n"  # a lone surrogate is no JSON to most readers
            while data:
                data = data[_write(descriptor, data) :]


class Recorder(unittest.TextTestResult):
    """unittest's own result, which tells as well."""

    def __init__(self, lines: Lines, top: str, asked: list[str], total: list[int], *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._lines, self._top, self._asked, self._total = lines, top, asked, total
        self._began = 0.0
        self._told = 0

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().startTest(test)
        self._lines.forget()
        self._lines.emit(event="running", id=self._id(test))
        self._began = _clock()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().stopTest(test)
        self._lines.emit(event="report", id=self._id(test), when="call", seconds=round(_clock() - self._began, 6))
        self._lines.emit(event="finished", id=self._id(test))
        self._lines.progress(self.testsRun, self._total[0], self._id(test))

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().addSuccess(test)
        self._report(test, "passed")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        super().addFailure(test, err)
        self._report(test, "failed", err, self.failures[-1][1])

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        super().addError(test, err)
        self._report(test, "error", err, self.errors[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        super().addSubTest(test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            text = (self.failures if failed else self.errors)[-1][1]
            self._report(test, "failed" if failed else "error", err, text, subtest.id().removeprefix(test.id()))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802 - unittest's name
        super().addSkip(test, reason)
        self._report(test, "skipped")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        super().addExpectedFailure(test, err)
        self._report(test, "xfailed")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().addUnexpectedSuccess(test)
        self._report(test, "xpassed", None, "it is marked as an expected failure, and passed")

    def _report(self, test: unittest.TestCase, category: str, err: Any = None, trace: str = "", part: str = "") -> None:
        extra: dict[str, Any] = {}
        if trace:
            self._told += 1
            file, line = place(err, test)
            message = "".join(traceback.format_exception_only(err[0], err[1])).strip() if err else trace
            loads = test.id().startswith(LOADER)
            if (loads or not file) and (told := places(message)):  # what a module or a doctest did is its message
                file, line = told[-1]
            message = message.rpartition("\n")[2] if loads else message
            extra = {"file": file, "line": line, "message": cut(f"{message}{part}", MESSAGE)}
            if self._told <= FULL:
                extra |= {"trace": cut(trace, TRACE), "stdout": cut(self._lines.printed(), OUTPUT)}
        self._lines.emit(event="report", id=self._id(test), when="call", category=category, **extra)

    def _id(self, test: unittest.TestCase) -> str:
        """What runs it again; a module that could not be loaded is named itself."""
        name = test.id()
        if name.startswith(LOADER):
            name = name.split(".", 3)[3]
            name = next((asked for asked in self._asked if asked.endswith(f".{name}")), name)
        elif name.endswith(")") and " (" in name:  # setUpClass (a.Test): what it would have run
            name = name.partition(" (")[2][:-1]
        elif made_by := vars(test).get(MADE_BY):
            name = f"{made_by}{MADE}{name}"
        return f"{self._top}::{name}" if self._top else name


class Loader(unittest.TestLoader):
    """unittest's own, which finds again what no name leads to."""

    def loadTestsFromModule(self, module: Any, *args: Any, **named: Any) -> Any:  # noqa: N802 - unittest's name
        suite = super().loadTestsFromModule(module, *args, **named)
        for test in tests(suite):
            if not loadable(test):
                vars(test).setdefault(MADE_BY, module.__name__)
        return suite

    def loadTestsFromName(self, name: str, module: Any = None) -> Any:  # noqa: N802 - unittest's name
        made_by, made, wanted = name.partition(MADE)
        if not made:
            return self._broken(name) or super().loadTestsFromName(name, module)
        try:
            found = tests(self.loadTestsFromModule(importlib.import_module(made_by), pattern=PATTERN))
        except ImportError:
            return super().loadTestsFromName(made_by)  # which tells why
        return self.suiteClass([test for test in found if test.id() == wanted and vars(test).get(MADE_BY) == made_by])

    def _broken(self, name: str) -> Any:
        """A failed test in place of the module in `name` that does not load, named as where unittest looks for tests;
        by name it takes an ImportError alone so, and by its last part, and ends at all others."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            module = ".".join(parts[:count])
            try:
                importlib.import_module(module)
            except unittest.SkipTest as reason:
                return unittest.loader._make_skipped_test(module, reason, self.suiteClass)  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 - whatever it ends on
                if isinstance(error, ModuleNotFoundError) and error.name == module:
                    return None  # it is no module, but something in one
                suite, why = unittest.loader._make_failed_import_test(module, self.suiteClass)  # type: ignore[attr-defined]
                self.errors.append(why)
                return suite
        return None


def tests(suite: Any) -> list[Any]:
    """All that a suite holds, and the suites in it."""
    if not isinstance(suite, unittest.BaseTestSuite):
        return [suite] if isinstance(suite, unittest.TestCase) else []
    return [test for part in suite for test in tests(part)]


def loadable(test: Any) -> bool:
    """Whether unittest loads it by its id."""
    made = type(test)
    place = f"{made.__module__}.{made.__qualname__}"
    if test.id().startswith(LOADER):
        return True
    found: Any = sys.modules.get(made.__module__)
    for part in made.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is made and test.id() == f"{place}.{getattr(test, '_testMethodName', '')}"


def place(err: Any, test: unittest.TestCase) -> tuple[str, int]:
    """The innermost place within the project, else the test's own file."""
    found = ("", 0)
    for frame, line in traceback.walk_tb(err[2] if err else None):
        path = relative(frame.f_code.co_filename)
        if path:
            found = (path, line)
    if found[0]:
        return found
    module = sys.modules.get(type(test).__module__)
    return relative(getattr(module, "__file__", None) or ""), 0


def places(text: str) -> list[tuple[str, int]]:
    """Those within the project that a traceback's text names, the outermost first."""
    found = re.findall(r'File "(.+?)", line (\d+)', text)
    return [(relative(path), int(line)) for path, line in found if relative(path)]


def relative(path: str) -> str:
    """Below the project; "" where it is elsewhere."""
    if path.startswith("<"):
        return ""
    path = path if path.startswith("/") else f"{TOP}/{path}"
    return path[len(TOP) + 1 :] if path.startswith(f"{TOP}/") and not path.startswith(f"{OURS}/") else ""


def cut(text: str, most: int) -> str:
    """Head and tail, and how much is missing between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def wanted(words: list[str]) -> tuple[str, list[str]]:
    """The folder that modules are imported from, where it is not the project's top, and unittest's own arguments."""
    if len(words) == 1 and os.path.isdir(words[0]):
        folder = os.path.normpath(words[0])
        parts = folder.split("/")
        packages = all(os.path.isfile(os.path.join(*parts[: n + 1], "__init__.py")) for n in range(len(parts)))
        return ("", ["discover", "-s", folder, "-t", "."]) if packages else (folder, ["discover", "-s", folder])
    if len(words) == 1 and os.path.isfile(words[0]):
        folder, name = os.path.split(os.path.normpath(words[0]))
        if folder and not os.path.isfile(os.path.join(folder, "__init__.py")):
            return folder, [name.removesuffix(".py")]
        return "", [os.path.join(folder, name)]
    return words[0].rpartition("::")[0] if words else "", [word.rpartition("::")[2] for word in words]


def by_folder(words: list[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for word in words:
        folders.setdefault(word.rpartition("::")[0], []).append(word)
    return folders


def one_by_one(folders: dict[str, list[str]]) -> int:
    """Gives the exit code of all. One that is none of unittest's own is that of the whole, and the last."""
    codes = []
    for words in folders.values():
        codes.append(subprocess.call([sys.executable, __file__, *words]))  # noqa: S603 - it is this program
        if codes[-1] not in (0, 1, 5):
            return codes[-1] if codes[-1] > 0 else 128 - codes[-1]
    return 1 if 1 in codes else min(codes)


class Runner(unittest.TextTestRunner):
    """Tells how many tests there are, before the first one."""

    def __init__(self, lines: Lines, total: list[int], *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._lines, self._total = lines, total

    def run(self, test: Any) -> Any:
        self._total[0] = test.countTestCases()
        self._lines.emit(event="collected", total=self._total[0])
        return super().run(test)


def main() -> None:
    folders = by_folder(sys.argv[1:])
    if len(folders) > 1:
        sys.exit(one_by_one(folders))
    top, argv = wanted(sys.argv[1:])
    if top:
        sys.path.insert(0, os.path.join(TOP, top))
    lines, total = Lines(), [0]
    lines.emit(event="start", version=sys.version.partition(" ")[0])
    result = functools.partial(Recorder, lines, top, argv, total)
    stream = os.fdopen(os.dup(lines.told), "w", encoding="utf-8", errors="backslashreplace")
    warnings = None if sys.warnoptions else "default"  # as unittest does it
    runner = Runner(lines, total, stream=stream, warnings=warnings, resultclass=result)
    try:
        unittest.main(module=None, argv=["python -m unittest", *argv], testRunner=runner, testLoader=Loader())
    except SystemExit as end:
        lines.emit(event="end", exit_code=int(end.code) if isinstance(end.code, int) else 1)
        raise
    finally:
        lines.restore()


if __name__ == "__main__":
    main()
