"""What a project says that it and its tests need, read without running anything of it.

Read are `[project]` and `[dependency-groups]` of pyproject.toml (PEP 621, PEP 735) and pip's requirements files. What
can't be known from names and versions alone (URLs, paths, options, what a build backend would compute) is left out,
and said.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from astro_mcp.agents.tests.project import table

FOR_TESTS: Final = ("test", "tests", "testing")
FOR_WORK: Final = ("dev", "develop", "development")
PLAIN_FILE: Final = "requirements.txt"
NAMED_FILE: Final = re.compile(r"(?:requirements[-_/](?P<after>[a-z]+)|(?P<before>[a-z]+)[-_]requirements)\.txt")
MOST: Final = 190
"""Packages; the sandbox takes 200, and some are ours."""
LONGEST: Final = 200


@dataclass(slots=True)
class Wanted:
    """Requirements by canonical name and environment marker, and what was left out with the reason."""

    found: dict[tuple[str, str], Requirement] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def requirements(self) -> list[str]:
        """Names, versions and markers, in the order of the names."""
        return [str(self.found[key]) for key in sorted(self.found)]

    def add(self, requirement: Requirement) -> None:
        """One more; of a package that is named twice both sets of versions hold."""
        key = canonicalize_name(requirement.name), str(requirement.marker or "")
        if (known := self.found.get(key)) is not None:
            known.specifier &= requirement.specifier
            known.extras |= requirement.extras
        elif len(self.found) < MOST:
            self.found[key] = requirement
        else:
            self.leave(str(requirement), f"over {MOST} packages")

    def require(self, text: str) -> None:
        """One more that is ours, unless the project names the package: then its versions hold."""
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if not any(known == name for known, _ in self.found):
            self.found[name, ""] = requirement

    def leave(self, text: str, reason: str) -> None:
        if len(self.left_out) < MOST:
            self.left_out.append(f"{' '.join(text.split())[:120]}: {reason}")


class Finder:
    """Reads one project; `files` are its small text files by path from its top. Environment markers are kept: the
    sandbox weighs them for its own Python."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._wanted = Wanted()
        self._itself = ""
        self._extras: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}
        self._read: set[str] = set()

    def find(self) -> Wanted:
        """Everything that the project and its tests need."""
        self._pyproject()
        self._file(PLAIN_FILE)
        for path in chosen({path: purpose(path) for path in sorted(self._files)}):
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
        for name in chosen({name: name for name in [*self._extras, *self._groups]}):
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
            if hashes:
                self._leave_once(path, "its hashes are not checked; each package's own is recorded")
            if include := re.match(r"(?:-r|--requirement)[=\s]*(\S+)$", line):
                self._file(str(PurePosixPath(path).parent / include[1]))
            elif line.startswith("-"):
                self._option(path, line)
            elif line:
                self._add(line)

    def _option(self, path: str, line: str) -> None:
        if not re.match(r"(?:-e|--editable)[=\s]*\.(\[.*\])?$", line):
            self._wanted.leave(f"{path}: {line}", "an option, and only names with versions are read")

    def _leave_once(self, text: str, reason: str) -> None:
        if not any(entry.startswith(f"{text}: {reason}") for entry in self._wanted.left_out):
            self._wanted.leave(text, reason)

    def _add_all(self, values: object, inside: frozenset[str] = frozenset()) -> None:
        for text in strings(values):
            self._add(text, inside)

    def _add(self, text: str, inside: frozenset[str] = frozenset()) -> None:
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
