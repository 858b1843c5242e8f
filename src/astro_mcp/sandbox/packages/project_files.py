"""What a project says that it needs, and its tests where that is asked, read without running anything of it.

Read are pyproject.toml, setup.cfg, the plain values in setup.py, pip's requirements files and Pipfile. What can't be
known from names and versions alone (URLs, paths, options, what a build backend would compute) is left out, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.packages.declared import pipfile, setup_cfg, setup_py
from astro_mcp.sandbox.packages.declared.dependency import UNKNOWN, Dependency
from astro_mcp.sandbox.packages.declared.purposes import chosen
from astro_mcp.sandbox.packages.declared.pyproject import Pyproject
from astro_mcp.sandbox.packages.requirement_lines import requirement_lines
from astro_mcp.sandbox.packages.requirements import LONGEST
from astro_mcp.sandbox.packages.wanted import ELSEWHERE, Wanted
from astro_mcp.workspace.toml import toml

PLAIN_FILE: Final = "requirements.txt"
NAMED_FILE: Final = re.compile(r"(?:requirements[-_./](?P<after>[a-z]+)|(?P<before>[a-z]+)[-_./]requirements)\.txt")


class Finder:
    """Reads one project; `files` are its small text files by path from its top. Environment markers are kept: the
    sandbox weighs them for its own Python. `tests`: what its tests need, too."""

    def __init__(self, files: Mapping[str, bytes], *, tests: bool) -> None:
        self._files = files
        self._tests = tests
        self._wanted = Wanted()
        self._pyproject = Pyproject(self._toml("pyproject.toml"), self._wanted.leave)
        self._read: set[str] = set()

    def find(self) -> Wanted:
        """Everything that is needed."""
        self._take(self._pyproject.needs(tests=self._tests))
        self._take(self._setuptools())
        self._file(PLAIN_FILE)
        purposes = {path: purpose(path) for path in sorted(self._files)}
        for path in chosen(purposes) if self._tests else ():
            self._file(path)
        self._take(pipfile.dependencies(self._toml("Pipfile"), self._wanted.leave, tests=self._tests))
        if "setup.py" in self._files and not self._wanted.found:
            self._wanted.leave("setup.py", "computes its dependencies, and nothing of the project runs to find them")
        return self._wanted

    def _setuptools(self) -> Iterator[Dependency]:
        if not self._pyproject.leaves_dependencies:
            return
        leave = self._wanted.leave
        try:
            said = setup_cfg.sections(self._files.get(setup_cfg.NAME, b""))
        except ValueError as error:
            leave(setup_cfg.NAME, f"can't be read: {error}")
            said = {}
        yield from setup_cfg.dependencies(said, leave, tests=self._tests)
        given = setup_py.given(self._files.get(setup_py.NAME, b""))
        yield from setup_py.dependencies(given, leave, tests=self._tests)

    def _toml(self, name: str) -> dict[str, Any]:
        try:
            return toml(self._files.get(name, b"").decode("utf-8"))
        except ValueError as error:
            self._wanted.leave(name, f"is not valid TOML: {error}")
            return {}

    def _file(self, path: str) -> None:
        if path in self._read or path not in self._files:
            return
        self._read.add(path)
        for row in requirement_lines(self._files[path]):
            line = re.sub(r"(^|\s)#.*$", "", row).strip()
            line, *hashes = re.split(r"(?<!\s)\s+--hash[=\s]", line)
            if include := re.match(r"(?:-r|--requirement)[=\s]*+(\S+)$", line):
                self._file(str(PurePosixPath(path).parent / include[1]))
            elif line.startswith("-"):
                self._option(path, line)
            elif line:
                self._line(line, hashes)

    def _option(self, path: str, line: str) -> None:
        if not re.match(r"(?:-e|--editable)[=\s]*\.(\[.*\])?$", line):
            self._wanted.leave(f"{path}: {line}", "an option, and only names with versions are read")

    def _line(self, text: str, hashes: Sequence[str]) -> None:
        try:
            requirement = Requirement(text if len(text) <= LONGEST else "")
        except InvalidRequirement:
            self._wanted.leave(text, UNKNOWN)
            return
        if canonicalize_name(requirement.name) == self._pyproject.itself:  # its extras, and not itself
            for extra in sorted(requirement.extras):
                self._take(self._pyproject.of_extra(canonicalize_name(extra)))
            return
        self._take([Dependency.of(requirement)])
        if hashes and requirement.url is None:
            self._pin(requirement, hashes)

    def _take(self, dependencies: Iterable[Dependency]) -> None:
        for dependency in dependencies:
            try:
                requirement = dependency.requirement
            except ValueError as error:
                self._wanted.leave(dependency.name, str(error))
                continue
            if dependency.by_name:
                self._wanted.add(requirement)
            else:
                self._wanted.leave(dependency.name, ELSEWHERE)

    def _pin(self, requirement: Requirement, hashes: Sequence[str]) -> None:
        one = list(requirement.specifier)
        if len(one) == 1 and one[0].operator == "==" and not one[0].version.endswith(".*"):
            self._wanted.pin(requirement.name, one[0].version, hashes)
        else:
            raise InvalidInput(f"{requirement.name} has hashes and no pinned version", "write it as name==version")


def purpose(path: str) -> str:
    """`test` of `requirements-test.txt`, `requirements/test.txt`, `test_requirements.txt` and `test/requirements.txt`,
    else ""."""
    found = NAMED_FILE.fullmatch(path.lower())
    return (found["after"] or found["before"]) if found else ""
