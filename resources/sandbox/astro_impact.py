"""Which tests a change can reach: by what they import, and by what they ran where that was recorded.

Standard library alone, and no pytest. What can't be told selects more and never less: a file that no test is known to
read reaches every test; code that imports by a name made at run time, or starts a program, is reached by any change.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST = 200
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
STARTS = {"subprocess", "runpy", "pkgutil", "pexpect", "xprocess"}
CALLS = {"system", "popen", "posix_spawn", "posix_spawnp", "create_subprocess_exec", "create_subprocess_shell"}
CALLS |= {"run_path", "run_module", "entry_points", "spec_from_file_location", "execv", "execve", "spawnv"}
FIXTURES = {"pytester", "testdir", "script_runner"}
BY_NAME = {"import_module", "__import__", "importorskip"}
Node = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class File:
    """Dotted names that a file may import, and why it may depend on more than those; "" where it does not."""

    names: set[str] = field(default_factory=set)
    opaque: str = ""


def read(path: str, source: bytes) -> File:
    """What the file at `path` (posix, in the project) imports, wherever in it that stands."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return File(opaque="can't be parsed")
    file = File()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            file.names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            file.names |= _from(node, path)
        elif found := DOTTED.match(_text(node)):  # what mock.patch, import_module and settings are given
            file.names.add(found[0])
        elif isinstance(node, ast.Call):
            _call(node, file)
        elif isinstance(node, Node) and FIXTURES & {argument.arg for argument in node.args.args}:
            file.opaque = "starts other programs"
        elif isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "pytest_plugins" for name in node.targets):
            file.names |= {_text(part) for part in ast.walk(node.value)}
    if STARTS & {name.split(".", 1)[0] for name in file.names}:
        file.opaque = "starts other programs"
    return file


def _from(node: ast.ImportFrom, path: str) -> set[str]:
    package = path.split("/")[:-1]
    before = package[: len(package) - node.level + 1] if node.level else []
    base = ".".join([*before, *filter(None, [node.module])])
    return {f"{base}.{alias.name}".strip(".") for alias in node.names} | ({base} if base else set())


def _text(node: ast.AST) -> str:
    """The string that a node is; "" for any other and for a long one, which is no name."""
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) and len(value) < LONGEST else ""


def _call(node: ast.Call, file: File) -> None:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name in CALLS:
        file.opaque = "starts other programs"
    elif name in BY_NAME:
        if node.args and (text := _text(node.args[0])):
            file.names.add(text)
        else:
            file.opaque = "imports by a name that is made at run time"
    elif name in ("exec", "eval") and isinstance(node.func, ast.Name):
        file.opaque = "runs text as code"


def skeleton(source: bytes) -> str:
    """A digest of what runs when the file is imported: all of it but the bodies of its functions. Those that stand in
    the line of their head stay: that such a line ran tells not which part of it. "" for no Python."""
    try:
        tree = ast.parse(source)
        for node in functions(tree):
            if node.body[0].lineno > node.lineno:
                node.body = [ast.Pass()]
        return hashlib.sha256(ast.dump(tree).encode("utf-8", "replace")).hexdigest()[:16]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def functions(tree: ast.AST) -> Iterator[Node]:
    return (node for node in ast.walk(tree) if isinstance(node, Node))


def bodies(source: bytes) -> set[int]:
    """The lines that lie in bodies of functions, but of those that stand in the line of their head."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[int] = set()
    for node in functions(tree):
        found |= set(range(max(node.body[0].lineno, node.lineno + 1), (node.end_lineno or 0) + 1))
    return found


def spans(source: bytes) -> list[list[int]]:
    """First and last line of each statement, or head of one, that has several; in order, and none within another."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = min(map(_first, body)) - 1 if body else node.end_lineno or node.lineno
            found.append([node.lineno, last])
    kept: list[list[int]] = []
    for first, last in sorted(found):
        if last > first and (not kept or first > kept[-1][1]):
            kept.append([first, last])
    return kept


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


class Graph:
    """The Python files of a project, and which of them each depends on."""

    def __init__(self, sources: Mapping[str, bytes], gone: Iterable[str] = ()) -> None:
        """`gone` are files that are not there any more: who imports them still names them."""
        self._files = {path: read(path, source) for path, source in sources.items()}
        self._by_name: dict[str, set[str]] = {}
        for path in {*sources, *(path for path in gone if path.endswith(".py"))}:
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            for start in range(len(parts)):  # from whichever folder imports begin
                self._by_name.setdefault(".".join(parts[start:]), set()).add(path)
        self._known: dict[str, frozenset[str]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def opaque(self, path: str) -> str:
        return self._files[path].opaque if path in self._files else ""

    def closure(self, path: str) -> frozenset[str]:
        """Every file that is imported when `path` is, itself with it, and what pytest loads for its folder."""
        if path not in self._known:
            seen: set[str] = set()
            waiting = [path, *self._beside(path)]
            while waiting:
                if (here := waiting.pop()) not in seen:
                    seen.add(here)
                    waiting += self._imported(here)
            self._known[path] = frozenset(seen)
        return self._known[path]

    def _beside(self, path: str) -> list[str]:
        folders = path.split("/")[:-1]
        found = ["/".join([*folders[:count], "conftest"]) for count in range(len(folders) + 1)]
        named = self._by_name.get("conftest", set())
        return [f"{each}.py" for each in found if f"{each}.py" in named]

    def _imported(self, path: str) -> Iterator[str]:
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):  # the packages that it lies in
            yield from self._by_name.get(".".join(parts[:count]), set()) & {"/".join([*parts[:count], "__init__.py"])}
        for name in self._files[path].names if path in self._files else ():
            words = name.split(".")
            for count in range(1, len(words) + 1):
                yield from self._by_name.get(".".join(words[:count]), ())


@dataclass(frozen=True)
class Recorded:
    """What a recorded run told: digests of the tree's files, of their skeletons, and what each test touched."""

    files: Mapping[str, str]
    skeletons: Mapping[str, str]
    early: frozenset[str]
    common: frozenset[str]
    tests: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Recorded:
        """`names` are paths, which tests name by their number."""
        names = raw.get("names", ())
        tests = {
            test: {"touched": [names[number] for number in touched], "spawned": spawned}
            for test, (touched, spawned) in raw.get("tests", {}).items()
        }
        early, common = frozenset(raw.get("early", ())), frozenset(raw.get("common", ()))
        return cls(raw.get("files", {}), raw.get("skeletons", {}), early, common, tests)

    def opened(self) -> frozenset[str]:
        """Files that are no code, and that some test opened by itself."""
        return frozenset(path for test in self.tests.values() for path in test["touched"]) - self.common


class Impact:
    """Answers for one change, in one tree."""

    def __init__(self, root: Path, paths: Iterable[str], changed: Iterable[str], recorded: Recorded) -> None:
        """`paths` are all files of the project, `changed` those that changed; both posix, below `root`."""
        data = {path: (root / path).read_bytes() for path in paths if (root / path).is_file()}
        self._changed = set(changed)
        self._recorded = recorded
        moved = {path for path, body in data.items() if hashlib.sha256(body).hexdigest() != recorded.files.get(path)}
        self._since = self._changed | (moved | (set(recorded.files) - set(data)) if recorded.tests else set())
        code = {path: body for path, body in data.items() if path.endswith(".py")}
        self.graph = Graph(code, self._since)
        self._at_import = {path for path in self._since if path.endswith(".py") and self._acts(path, code.get(path))}
        self._stray: frozenset[str] = frozenset()

    def _acts(self, path: str, source: bytes | None) -> bool:
        """Whether a change of the file may tell by its import alone."""
        known = self._recorded.skeletons.get(path)
        return source is None or not known or path in self._recorded.early or skeleton(source) != known

    def stray(self, loaded: Iterable[str], tests: Iterable[str]) -> None:
        """Tell which files are imported already: those that no test's imports lead to are taken for every test's."""
        reached = frozenset[str]().union(*(self.graph.closure(path) for path in set(tests)))
        self._stray = frozenset(loaded) - reached

    def everything(self) -> str:
        """Why every test is selected; "" where each is asked for itself."""
        data = {path for path in self._since if not path.endswith(".py")}
        unknown = sorted(data - self._recorded.opened())
        return f"{unknown[0]} changed, and which tests read it is not known" if unknown else ""

    def why(self, test: str, path: str) -> str:
        """Why the test `test` of the file `path` is selected; "" where nothing that changed can reach it."""
        if path in self._since:
            return "its own file changed"
        if path not in self.graph:
            return "it is no Python, and what it depends on is not known"
        closure = self.graph.closure(path) | self._stray
        record = self._recorded.tests.get(test)
        if record is None:
            return self._by_imports(closure)
        touched = sorted(self._since.intersection(record["touched"]))
        if touched:
            return f"it ran or read {touched[0]}, which changed"
        if found := sorted(self._at_import & closure):
            return f"it imports {found[0]}, which changed"
        if self._since and record.get("spawned"):
            return "it started another program, whatever that ran"
        if self._at_import:
            return self._dynamic(closure)
        return ""

    def _by_imports(self, closure: frozenset[str]) -> str:
        if found := sorted(self._changed & closure):
            return f"it imports {found[0]}, which changed"
        if data := sorted(path for path in self._since if not path.endswith(".py")):
            return f"{data[0]} changed, and whether it reads that is not known"
        return self._dynamic(closure)

    def _dynamic(self, closure: frozenset[str]) -> str:
        for path in sorted(closure):
            if reason := self.graph.opaque(path):
                return f"it depends on {path}, which {reason}"
        return ""
