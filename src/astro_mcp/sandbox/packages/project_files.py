"""What a project says that it needs, and its tests where that is asked, read without running anything of it.

Read are `[project]` and `[dependency-groups]` of pyproject.toml (PEP 621, PEP 735) and pip's requirements files. What
can't be known from names and versions alone (URLs, paths, options, what a build backend would compute) is left out,
and said.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.packages.wanted import Wanted, table

FOR_TESTS: Final = ("test", "tests", "testing")
FOR_WORK: Final = ("dev", "develop", "development")
PLAIN_FILE: Final = "requirements.txt"
NAMED_FILE: Final = re.compile(r"(?:requirements[-_/](?P<after>[a-z]+)|(?P<before>[a-z]+)[-_]requirements)\.txt")
LONGEST: Final = 200


class Finder:
    """Reads one project; `files` are its small text files by path from its top. Environment markers are kept: the
    sandbox weighs them for its own Python. `tests`: what its tests need, too."""

    def __init__(self, files: Mapping[str, bytes], *, tests: bool) -> None:
        self._files = files
        self._tests = tests
        self._wanted = Wanted()
        self._itself = ""
        self._extras: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}
        self._read: set[str] = set()

    def find(self) -> Wanted:
        """Everything that is needed."""
        self._pyproject()
        self._file(PLAIN_FILE)
        for path in self._chosen({path: purpose(path) for path in sorted(self._files)}):
            self._file(path)
        if "setup.py" in self._files and not self._wanted.found:
            self._wanted.leave("setup.py", "computes its dependencies, and nothing of the project runs to find them")
        return self._wanted

    def _pyproject(self) -> None:
        try:
            document = tomllib.loads(self._files.get("pyproject.toml", b"").decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self._wanted.leave("pyproject.toml", f"is not valid TOML: {error}")
            return
        project = table(document.get("project"))
        self._itself = canonicalize_name(str(project.get("name", "")))
        self._extras = keyed(table(project.get("optional-dependencies")))
        self._groups = keyed(table(document.get("dependency-groups")))
        self._add_all(project.get("dependencies"))
        for name in self._chosen({name: name for name in [*self._extras, *self._groups]}):
            self._extra(name, frozenset())
            self._group(name, frozenset())
        if "dependencies" in strings(project.get("dynamic")):
            self._wanted.leave(
                "pyproject.toml", "its dependencies are computed by its build backend, which does not run"
            )
        if "dependencies" in table(table(document.get("tool")).get("poetry")):
            self._wanted.leave("[tool.poetry.dependencies]", "only [project] dependencies are read")

    def _extra(self, name: str, inside: frozenset[str]) -> None:
        if name not in inside:
            self._add_all(self._extras.get(name), inside | {name})

    def _group(self, name: str, inside: frozenset[str]) -> None:
        entries = self._groups.get(name)
        if name in inside or not isinstance(entries, list):
            return
        for entry in entries:
            if isinstance(entry, dict):
                self._group(canonicalize_name(str(entry.get("include-group", ""))), inside | {name})
        self._add_all(entries)

    def _file(self, path: str) -> None:
        if path in self._read or path not in self._files:
            return
        self._read.add(path)
        text = self._files[path].decode("utf-8", "replace").replace("\\\n", " ")
        for row in text.splitlines():
            line = re.sub(r"(^|\s)#.*$", "", row).strip()
            line, *hashes = re.split(r"\s+--hash[=\s]", line)
            if include := re.match(r"(?:-r|--requirement)[=\s]*(\S+)$", line):
                self._file(str(PurePosixPath(path).parent / include[1]))
            elif line.startswith("-"):
                self._option(path, line)
            elif line:
                self._add(line, hashes=hashes)

    def _option(self, path: str, line: str) -> None:
        if not re.match(r"(?:-e|--editable)[=\s]*\.(\[.*\])?$", line):
            self._wanted.leave(f"{path}: {line}", "an option, and only names with versions are read")

    def _chosen(self, purposes: Mapping[str, str]) -> Iterable[str]:
        return chosen(purposes) if self._tests else ()

    def _add_all(self, values: object, inside: frozenset[str] = frozenset()) -> None:
        for text in strings(values):
            self._add(text, inside)

    def _add(self, text: str, inside: frozenset[str] = frozenset(), hashes: Sequence[str] = ()) -> None:
        try:
            requirement = Requirement(text if len(text) <= LONGEST else "")
        except InvalidRequirement:
            self._wanted.leave(text, "not a name with versions")
            return
        if canonicalize_name(requirement.name) == self._itself:  # "project[extra]": its extras, and not itself
            for extra in sorted(requirement.extras):
                self._extra(canonicalize_name(extra), inside)
        elif requirement.url is not None:
            self._wanted.leave(text, "an address, and packages come by name only")
        else:
            self._wanted.add(requirement)
            if hashes:
                self._pin(requirement, hashes)

    def _pin(self, requirement: Requirement, hashes: Sequence[str]) -> None:
        one = list(requirement.specifier)
        if len(one) == 1 and one[0].operator == "==" and not one[0].version.endswith(".*"):
            self._wanted.pin(requirement.name, one[0].version, hashes)
        else:
            raise InvalidInput(f"{requirement.name} has hashes and no pinned version", "write it as name==version")


def purpose(path: str) -> str:
    """`test` of `requirements-test.txt`, `requirements/test.txt` and `test_requirements.txt`, else ""."""
    found = NAMED_FILE.fullmatch(path.lower())
    return (found["after"] or found["before"]) if found else ""


def chosen(purposes: Mapping[str, str]) -> Iterable[str]:
    """Those whose purpose is testing; where there is none, those for development, which often bring much more."""
    tests = [key for key, name in purposes.items() if name in FOR_TESTS]
    return tests or [key for key, name in purposes.items() if name in FOR_WORK]


def keyed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {canonicalize_name(name): value for name, value in values.items()}


def strings(value: object) -> Iterator[str]:
    return (item for item in (value if isinstance(value, list) else []) if isinstance(item, str))
