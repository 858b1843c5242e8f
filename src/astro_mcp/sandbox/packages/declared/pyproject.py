"""What pyproject.toml declares: `[project]` (PEP 621), `[dependency-groups]` (PEP 735) and `[tool.poetry]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from astro_mcp.sandbox.packages.declared.dependency import UNKNOWN, Dependency
from astro_mcp.sandbox.packages.declared.poetry import Poetry
from astro_mcp.sandbox.packages.declared.purposes import chosen_names
from astro_mcp.sandbox.packages.requirements import LONGEST
from astro_mcp.sandbox.packages.tables import keyed, strings, table

COMPUTED: Final = "its dependencies are computed by its build backend, which does not run"


class Pyproject:
    """`leave` is told what can't be read, and why."""

    def __init__(self, document: Mapping[str, Any], leave: Callable[[str, str], None]) -> None:
        self._leave = leave
        self._project = table(document.get("project"))
        tools = table(document.get("tool"))
        tool = table(tools.get("poetry"))
        self._poetry = Poetry(tool, leave)
        self._elsewhere = self._poetry.elsewhere | _sources_of_uv(table(table(tools.get("uv")).get("sources")))
        self._extras = keyed(table(self._project.get("optional-dependencies")))
        self._groups = keyed(table(document.get("dependency-groups")))
        self._followed: set[tuple[str, str]] = set()
        dynamic = "dependencies" in strings(self._project.get("dynamic"))
        self.leaves_dependencies = not self._poetry.names_packages and (not self._project or dynamic)
        """To other files of the project."""
        self.itself = canonicalize_name(str(self._project.get("name") or tool.get("name", "")))

    def needs(self, *, tests: bool) -> Iterator[Dependency]:
        """What the project needs; with `tests`, what its tests need too."""
        names = self.for_tests() if tests else ()
        return chain(self._main(), *(chain(self.of_extra(name), self._group(name)) for name in names))

    def for_tests(self) -> list[str]:
        """The extras and groups that are for tests."""
        poetry = (*self._poetry.extras, *self._poetry.groups)
        return list(chosen_names(dict.fromkeys((*self._extras, *self._groups, *poetry))))

    def of_extra(self, name: str) -> Iterator[Dependency]:
        """What the extra `name` brings, extras of the project that it names included; each is followed once."""
        if not self._first("extra", name):
            return
        if name in self._extras:
            yield from self._read(self._extras[name])
        else:
            yield from self._poetry.of_extra(name)

    def _main(self) -> Iterator[Dependency]:
        if listed := list(strings(self._project.get("dependencies"))):
            yield from self._read(listed)  # Poetry's own table tells more of these, and no others
            return
        if not self._poetry.names_packages and "dependencies" in strings(self._project.get("dynamic")):
            self._leave("pyproject.toml", COMPUTED)
        yield from self._poetry.main()

    def _group(self, name: str) -> Iterator[Dependency]:
        if not self._first("group", name):
            return
        entries = self._groups.get(name)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield from self._group(canonicalize_name(str(entry.get("include-group", ""))))
        yield from self._read(entries)
        yield from self._poetry.of_group(name)

    def _first(self, kind: str, name: str) -> bool:
        known = (kind, name) in self._followed
        self._followed.add((kind, name))
        return not known

    def _read(self, values: object) -> Iterator[Dependency]:
        for text in strings(values):
            try:
                requirement = Requirement(text if len(text) <= LONGEST else "")
            except InvalidRequirement:
                self._leave(text, UNKNOWN)
                continue
            name = canonicalize_name(requirement.name)
            if name == self.itself:  # "project[extra]": its extras, and not itself
                for extra in sorted(requirement.extras):
                    yield from self.of_extra(canonicalize_name(extra))
            elif name in self._elsewhere:
                yield replace(Dependency.of(requirement), by_name=False)
            else:
                yield Dependency.of(requirement)


def _sources_of_uv(sources: Mapping[str, Any]) -> frozenset[str]:
    """Canonical names of what uv takes from addresses, folders and indexes of their own (`[tool.uv.sources]`)."""
    return frozenset(canonicalize_name(name) for name, source in sources.items() if source != {"index": "pypi"})
