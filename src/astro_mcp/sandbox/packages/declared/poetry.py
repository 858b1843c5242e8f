"""`[tool.poetry]` of pyproject.toml: dependencies, extras and groups in Poetry's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from packaging.utils import canonicalize_name

from astro_mcp.sandbox.packages.declared.dependency import MOST, UNKNOWN, Dependency, named, said, together
from astro_mcp.sandbox.packages.declared.poetry_versions import alternatives, python_marker
from astro_mcp.sandbox.packages.tables import keyed, strings, table

ADDRESSES: Final = ("git", "path", "file", "url")
LEGACY_GROUP: Final = "dev"


class Poetry:
    """`leave` is told what can't be read, and why."""

    def __init__(self, tables: Mapping[str, Any], leave: Callable[[str, str], None]) -> None:
        self._leave = leave
        self._dependencies = table(tables.get("dependencies"))
        self._legacy = table(tables.get("dev-dependencies"))
        self._extras = keyed(table(tables.get("extras")))
        self._groups = keyed(table(tables.get("group")))
        self._followed: set[str] = set()
        self._seen = 0

    @property
    def names_packages(self) -> bool:
        """Whether there are dependencies beside that on Python."""
        return any(name != "python" for name in self._dependencies)

    @property
    def extras(self) -> list[str]:
        return list(self._extras)

    @property
    def groups(self) -> list[str]:
        return [*self._groups, *([LEGACY_GROUP] if self._legacy and LEGACY_GROUP not in self._groups else [])]

    @property
    def elsewhere(self) -> frozenset[str]:
        """Canonical names of what comes from addresses and folders alone."""
        tables = [
            self._dependencies,
            self._legacy,
            *(table(group).get("dependencies") for group in self._groups.values()),
        ]
        entries = [entry for values in tables for entry in table(values).items()]
        return frozenset(
            canonicalize_name(name) for name, value in entries if value and all(map(_is_address, _each(value)))
        )

    def main(self) -> Iterator[Dependency]:
        """What is needed without any extra or group."""
        return (dependency for dependency in self._all(self._dependencies) if not dependency.optional)

    def of_extra(self, name: str) -> Iterator[Dependency]:
        """What `[tool.poetry.extras]` has for `name`."""
        wanted = names(self._extras.get(name))
        return self._all({key: value for key, value in self._dependencies.items() if canonicalize_name(key) in wanted})

    def of_group(self, name: str) -> Iterator[Dependency]:
        """What the group has, and those that it includes; each is followed once."""
        if name in self._followed:
            return
        self._followed.add(name)
        group = table(self._groups.get(name))
        yield from self._all(table(group.get("dependencies")))
        yield from self._all(self._legacy if name == LEGACY_GROUP else {})
        for other in strings(group.get("include-groups")):
            yield from self.of_group(canonicalize_name(other))

    def _all(self, values: Mapping[str, Any]) -> Iterator[Dependency]:
        for name, value in values.items():
            self._seen += len(_each(value))
            if self._seen > MOST:
                self._leave("[tool.poetry]", f"over {MOST} dependencies, and the others are not read")
                return
            try:
                found = list(dependencies(name, value))
            except ValueError:
                self._leave(f"{name} {value}", UNKNOWN)
            else:
                yield from found


def dependencies(name: str, value: object) -> Iterator[Dependency]:
    """Those of one entry of a table of dependencies: of Python none, of a list one for each environment. Raises
    `ValueError`."""
    if name != "python":
        yield from (_dependency(name, one) for one in _each(value))


def names(requirements: object) -> frozenset[str]:
    """The canonical names at the beginning of each, which may be no more than a name."""
    return frozenset(canonicalize_name(re.split(r"[\s\[(<>=!~;]", text)[0]) for text in strings(requirements))


def _dependency(name: str, value: object) -> Dependency:
    entry = {"version": value} if isinstance(value, str) else value
    if not isinstance(entry, dict):
        raise ValueError("neither a version nor a table")
    name, extras = named(name, entry.get("extras", []))
    python, platform = said(entry, "python"), said(entry, "platform")
    markers = (said(entry, "markers"), python_marker(python) if python else "", _platform_marker(platform))
    versions = alternatives(said(entry, "version") or "*")
    return Dependency(name, extras, versions, together(markers), not _is_address(entry), entry.get("optional") is True)


def _platform_marker(text: str) -> str:
    sides = []
    for part in text.split("||") if text else ():
        found = re.fullmatch(r" *+(==|!=)? *+([A-Za-z0-9_-]+) *", part)
        if found is None:
            raise ValueError("platform is no name")
        sides.append(f'sys_platform {found[1] or "=="} "{found[2]}"')
    return " or ".join(sides)


def _is_address(value: object) -> bool:
    """Whether it comes from elsewhere than the index that the machine uses: who asks that for the name of a package of
    an index of its own may get a stranger's."""
    if not isinstance(value, dict):
        return False
    return any(key in value for key in ADDRESSES) or str(value.get("source", "pypi")).lower() != "pypi"


def _each(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
