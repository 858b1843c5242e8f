"""Which test files of JavaScript or TypeScript a change can reach, by what they import.

Standard library alone; runs in the sandbox. Nothing is parsed: names are found wherever they stand in quotes, so that a
comment may select more. What can't be told selects more and never less: a file that is no code reaches every test, and
so does what the runner's settings name; code that imports by a name made at run time, starts a program, or imports what
is neither a package nor a file that can be found, is reached by any change.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SUFFIXES = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte")
TRIED = ("", *SUFFIXES, ".json", *(f"/index{suffix}" for suffix in SUFFIXES))
WRITTEN_AS = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}
"""What a name that ends so may stand for in TypeScript."""
SETTINGS = re.compile(r".+\.(?:config|workspace)\.[cm]?[jt]s|\.\w+rc\.[cm]?js")
MAINS = ("main", "module", "browser", "exports", "types")
NEEDS = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
STARTS = {"child_process", "cluster", "module", "vm", "worker_threads", "execa", "cross-spawn", "shelljs", "zx"}
BUILTIN = {
    *("assert", "async_hooks", "buffer", "console", "constants", "crypto", "dgram", "diagnostics_channel", "dns"),
    *("domain", "events", "fs", "http", "http2", "https", "inspector", "net", "os", "path", "perf_hooks", "process"),
    *("punycode", "querystring", "readline", "repl", "stream", "string_decoder", "sys", "test", "timers", "tls"),
    *("trace_events", "tty", "url", "util", "v8", "wasi", "zlib"),
}
QUOTED = r"['\"`]([^'\"`\n]{1,500})['\"`]"
WORDS = (
    r"(?:\bfrom|\bimport|\brequire|\brequire\.resolve|\bresolve|[mM]ock\w*|importActual|importOriginal|requireActual)"
)
NAMED = re.compile(WORDS + r"\s{0,50}(?:<[^>()\n]{0,200}>)?\s{0,50}\(?\s{0,50}" + QUOTED)
RELATIVE = re.compile(r"['\"`](\.{1,2}(?:/[^'\"`\n]{0,500})?)['\"`]")
ANY = re.compile(r"(?=" + QUOTED + ")")
MADE = (
    re.compile(r"\b(?:require|import)(?:\.resolve)?\s{0,50}\(\s{0,50}[^\s'\"`)]"),
    re.compile(r"\b(?:require|import)(?:\.resolve)?\s{0,50}\(\s{0,50}['\"`][^'\"`\n]{0,500}['\"`]\s{0,50}[^\s),]"),
    re.compile(r"\b(?:require|import)(?:\.resolve)?\s{0,50}\(\s{0,50}`[^`]{0,500}\$\{"),
    re.compile(r"\bimport\.meta\.glob|\brequire\.context\b|\bcreateContextKey\b"),
)
TEXT = re.compile(r"(?<![.\w])eval\s{0,50}\(|\bnew\s{1,50}Function\s{0,50}\(")


@dataclass
class File:
    """What stands in quotes where something is imported, and why the file may depend on more; "" where it does not."""

    names: set[str] = field(default_factory=set)
    opaque: str = ""


def read(source: str) -> File:
    """What a file's text imports, wherever in it that stands."""
    file = File({*NAMED.findall(source), *RELATIVE.findall(source)})
    if any(pattern.search(source) for pattern in MADE):
        file.opaque = "imports by a name that is made at run time"
    elif TEXT.search(source):
        file.opaque = "runs text as code"
    elif started := sorted(_package(name) for name in file.names if _package(name) in STARTS):
        file.opaque = f"uses {started[0]}, which starts what is not seen"
    return file


def _package(name: str) -> str:
    """The package that a name begins with."""
    parts = name.removeprefix("node:").split("/")
    return "/".join(parts[: 2 if name.startswith("@") else 1])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


class Graph:
    """A project's files of code, and which of them each imports."""

    def __init__(self, sources: Mapping[str, str], gone: Iterable[str], installed: Callable[[str], bool]) -> None:
        """`sources` are the texts of code and of package.json, `gone` files that are not there any more, and
        `installed` tells whether there is a package of a name."""
        self._code = {path: read(text) for path, text in sources.items() if path.endswith(SUFFIXES)}
        self._there = {*self._code, *gone}
        self._installed = installed
        self._packages: dict[str, str] = {}
        self._mains: dict[str, list[str]] = {}
        self._needs: set[str] = set()
        self._by_end: dict[str, set[str]] = {}
        for path, text in sources.items():
            if posixpath.basename(path) == "package.json":
                self._manifest(posixpath.dirname(path), text)
        for path in self._there:
            for name in {path, *_said_as(path)}:
                parts = name.split("/")
                for start in range(len(parts)):
                    self._by_end.setdefault("/".join(parts[start:]), set()).add(path)
        self._known: dict[str, tuple[frozenset[str], str]] = {}

    def _manifest(self, folder: str, text: str) -> None:
        try:
            found = json.loads(text)
        except ValueError:
            return
        if isinstance(found, dict):
            self._mains[folder] = [word for key in MAINS for word in _strings(found.get(key))]
            if isinstance(name := found.get("name"), str):
                self._packages[name] = folder
            self._needs |= {name for key in NEEDS if isinstance(found.get(key), dict) for name in found[key]}

    def __contains__(self, path: str) -> bool:
        return path in self._code

    def closure(self, path: str) -> tuple[frozenset[str], str]:
        """Every file that is loaded when `path` is, itself with it; and why that is not all, "" where it is."""
        if path not in self._known:
            seen: set[str] = set()
            waiting, opaque = [path], ""
            while waiting:
                if (here := waiting.pop()) in seen:
                    continue
                seen.add(here)
                file = self._code.get(here, File())
                found, unknown = self._imported(here, file.names)
                waiting += found
                reason = file.opaque or (f"imports {unknown!r}, which is not known" if unknown else "")
                opaque = opaque or (f"{here}, which {reason}" if reason else "")
            self._known[path] = frozenset(seen), opaque
        return self._known[path]

    def named_in(self, folder: str, words: Iterable[str]) -> set[str]:
        """The files that settings in `folder` name in quotes."""
        found: set[str] = set()
        for word in words:
            tail = word.removeprefix("<rootDir>/")
            found |= self._files(posixpath.join(folder, tail)) | self._files(tail)
        return found

    def _imported(self, path: str, names: Iterable[str]) -> tuple[set[str], str]:
        """Files, and the first name of which it is not known what it is."""
        found: set[str] = set()
        unknown = ""
        for written in names:
            name = written if written.startswith("#") else re.split(r"[?#]", written)[0]
            if name.startswith("."):
                found |= self._files(posixpath.join(posixpath.dirname(path), name))
            elif (package := _package(name)) in self._packages:
                found |= self._of_package(package, name)
            else:  # a package's, or one that settings turn into a path
                found |= (here := self._by_end.get(name, set()))
                if not here and not self._is_package(name, package):
                    found |= (here := self._by_end.get(name.partition("/")[2], set()))
                    unknown = unknown or ("" if here else name)
        return found, unknown

    def _is_package(self, name: str, package: str) -> bool:
        if name.startswith("node:") or package in BUILTIN or package in STARTS or package in self._needs:
            return True
        if re.match(r"[a-z][a-z0-9+.-]*:", name):  # data:, https:, virtual:
            return not name.startswith(("virtual:", "file:"))
        return self._installed(package)

    def _of_package(self, package: str, name: str) -> set[str]:
        """What the project's own package names as its own, and the path itself; all below it where it can't be told."""
        folder = self._packages[package]
        found, rest = self._main(folder), name[len(package) + 1 :]
        if rest:
            found = found | self._files(posixpath.join(folder, rest))
        if found and not any("*" in word for word in self._mains[folder]):
            return found
        below = f"{folder}/" if folder else ""
        return {path for path in self._there if path.startswith(below)}

    def _main(self, folder: str) -> set[str]:
        found: set[str] = set()
        for word in self._mains.get(folder, ()):
            found |= self._files(posixpath.join(folder, word), mains=False)
        return found

    def _files(self, name: str, *, mains: bool = True) -> set[str]:
        """All that a path without its suffix may be."""
        base = posixpath.normpath(name).removeprefix("./")
        base = "" if base == "." else base
        stem, suffix = posixpath.splitext(base)
        tried = {f"{base}{end}".lstrip("/") for end in TRIED} | {stem + end for end in WRITTEN_AS.get(suffix, ())}
        found = tried & self._there
        return found | self._main(base) if mains and base in self._mains else found


def _said_as(path: str) -> Iterator[str]:
    """The names that a file of code may be imported by."""
    stem, suffix = posixpath.splitext(path)
    if suffix in SUFFIXES:
        yield stem
        yield from (stem + written for written, ends in WRITTEN_AS.items() if suffix in ends)
        if posixpath.basename(stem) == "index":
            yield posixpath.dirname(stem) or stem


class Impact:
    """Answers for one change, in one tree."""

    def __init__(
        self, sources: Mapping[str, str], changed: Iterable[str], installed: Callable[[str], bool] = lambda name: False
    ) -> None:
        """`sources` as for `Graph`; paths are posix, below the project's top."""
        self._changed = set(changed)
        gone = {path for path in self._changed if path.endswith(SUFFIXES) and path not in sources}
        self._graph = Graph(sources, gone, installed)
        self._settings = self._of_settings(sources)

    def _of_settings(self, sources: Mapping[str, str]) -> set[str]:
        """The files that settings are, and name."""
        found = {path for path in {*sources, *self._changed} if SETTINGS.fullmatch(posixpath.basename(path))}
        for path in sorted(found & set(sources)):
            found |= self._graph.named_in(posixpath.dirname(path), ANY.findall(sources[path]))
        for path, text in sources.items():
            if posixpath.basename(path) == "package.json":
                found |= self._graph.named_in(posixpath.dirname(path), _settings_in(text))
        return found

    def everything(self) -> str:
        """Why every test is selected; "" where each is asked for itself."""
        for path in sorted(self._changed):
            if not path.endswith(SUFFIXES) and not _snapshot(path):
                return f"{path} changed, and which tests read it is not known"
            if "__mocks__" in path.split("/"):
                return f"{path} changed, which may stand for another module in every test"
        for setting in sorted(self._settings):
            loaded, opaque = self._graph.closure(setting)
            if here := sorted(loaded & self._changed):
                return f"{here[0]} changed, which the settings of the tests load"
            if opaque:
                return f"the settings of the tests load {opaque}"
        return ""

    def why(self, test: str) -> str:
        """Why the tests of the file `test` are selected; "" where nothing that changed can reach them."""
        if test in self._changed:
            return "its own file changed"
        if any(_snapshot(path) == test for path in self._changed):
            return "its snapshots changed"
        if test not in self._graph:
            return "what it depends on is not known"
        loaded, opaque = self._graph.closure(test)
        if found := sorted(self._changed & loaded):
            return f"it imports {found[0]}, which changed"
        return f"it depends on {opaque}" if opaque else ""


def _settings_in(text: str) -> list[str]:
    """What the runners' settings in a package.json name."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return list(_strings([found.get(key) for key in ("jest", "vitest", "babel")])) if isinstance(found, dict) else []


def _snapshot(path: str) -> str:
    """The test file whose snapshots `path` holds; "" where it holds none."""
    parts = path.split("/")
    if len(parts) < 2 or parts[-2] != "__snapshots__" or not path.endswith(".snap"):
        return ""
    return "/".join([*parts[:-2], parts[-1].removesuffix(".snap")])
