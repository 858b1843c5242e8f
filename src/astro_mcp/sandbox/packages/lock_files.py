"""Lock files, pylock.toml (PEP 751) and uv.lock: names, versions and hashes. Their addresses are not followed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.project_files import chosen, keyed, strings
from astro_mcp.sandbox.packages.wanted import MOST, Wanted, table

ELSEWHERE: Final = "comes from an address or a folder, and packages come by name only"


def locked(name: str, data: bytes, python: Mapping[str, str], *, tests: bool) -> Wanted:
    """What the lock file `name` pins for the environment `python` (PEP 508); with `tests`, what these need too. Raises
    `InvalidInput` where it can't be read, and `TooLarge`."""
    try:
        document = tomllib.loads(data.decode())
        pins = _Pins()
        if name == "uv.lock":
            _Uv(document, python, tests=tests).walk(pins)
        else:
            _pylock(Pylock.from_dict(document), python, pins, tests=tests)
    except InvalidInput:
        raise
    except Exception as error:  # noqa: BLE001 - hostile text in the hands of a parser: any of its errors is the file's
        raise InvalidInput(f"{name} can't be read: {printable(str(error), 200)}", "lock the project anew") from None
    return pins.wanted


class _Pins:
    def __init__(self) -> None:
        self.wanted = Wanted()

    def add(self, name: str, version: str, hashes: Iterable[str]) -> None:
        if len(self.wanted.found) >= MOST:
            raise TooLarge(f"the lock file pins more than {MOST} packages")
        self.wanted.add(Requirement(f"{name}=={version}"))
        self.wanted.pin(name, version, hashes)


def _pylock(lock: Pylock, python: Mapping[str, str], pins: _Pins, *, tests: bool) -> None:
    _check_python(str(lock.requires_python or ""), python)
    extras = chosen({name: name for name in lock.extras or ()}) if tests else ()
    groups = [*(lock.default_groups or ()), *(_chosen(lock.dependency_groups or ()) if tests else ())]
    environment: dict[str, str | frozenset[str]] = {**python}
    environment |= {"extras": frozenset(extras), "dependency_groups": frozenset(groups)}
    for package in lock.packages:
        if package.marker is None or package.marker.evaluate(environment, context="lock_file"):
            _pylock_package(package, pins)


def _pylock_package(package: Package, pins: _Pins) -> None:
    files: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
    if package.sdist is not None:
        files.append(package.sdist)
    if package.directory is not None and package.directory.path in (".", "./"):
        return  # the project itself
    if not files or package.version is None:
        pins.wanted.leave(package.name, ELSEWHERE)
    else:
        hashes = [f"{kind}:{value}" for file in files for kind, value in file.hashes.items()]
        pins.add(package.name, str(package.version), hashes)


class _Uv:
    """uv.lock: from the project on, along the dependencies whose markers hold."""

    def __init__(self, document: Mapping[str, Any], python: Mapping[str, str], *, tests: bool) -> None:
        self._python = python
        self._tests = tests
        self._packages = [table(package) for package in document.get("package") or ()]
        _check_python(str(document.get("requires-python", "")), python)

    def walk(self, pins: _Pins) -> None:
        line = [(package, self._beyond(package)) for package in self._packages if _is_root(package)]
        if not line:
            raise InvalidInput("uv.lock names no project", "lock the project anew")
        seen: set[tuple[str, str, str]] = set()
        while line:
            package, extras = line.pop()
            name, version = str(package.get("name")), str(package.get("version"))
            for extra in ("", *extras):
                if (name, version, extra) not in seen:
                    seen.add((name, version, extra))
                    line += self._dependencies(package, extra)
                    if not extra and not _is_root(package):
                        _uv_package(package, name, version, pins)

    def _beyond(self, package: Mapping[str, Any]) -> tuple[str, ...]:
        """The project's extras that its tests need."""
        return tuple(_chosen(table(package.get("optional-dependencies")))) if self._tests else ()

    def _dependencies(self, package: Mapping[str, Any], extra: str) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
        if extra:
            found = keyed(table(package.get("optional-dependencies"))).get(canonicalize_name(extra)) or []
        else:
            found = list(package.get("dependencies") or ())
            groups = table(package.get("dev-dependencies"))
            for group in _chosen(groups) if self._tests and _is_root(package) else ():
                found += groups[group]
        for dependency in map(table, found):
            if self._holds(dependency.get("marker")):
                yield self._package(dependency), tuple(strings(dependency.get("extra")))

    def _package(self, dependency: Mapping[str, Any]) -> dict[str, Any]:
        name, version = dependency.get("name"), dependency.get("version")
        named = [one for one in self._packages if one.get("name") == name and version in (None, one.get("version"))]
        fitting = [one for one in named if self._fits(one)]
        if len(fitting) != 1:
            raise InvalidInput(f"uv.lock has {len(fitting)} packages for {printable(str(name), 80)}")
        return fitting[0]

    def _fits(self, package: Mapping[str, Any]) -> bool:
        markers = list(strings(package.get("resolution-markers")))
        return not markers or any(self._holds(marker) for marker in markers)

    def _holds(self, marker: object) -> bool:
        return not marker or Marker(str(marker)).evaluate({**self._python, "extra": ""})


def _uv_package(package: Mapping[str, Any], name: str, version: str, pins: _Pins) -> None:
    if "registry" not in table(package.get("source")):
        pins.wanted.leave(name, ELSEWHERE)
        return
    files = [table(file) for file in [*(package.get("wheels") or ()), package.get("sdist")]]
    pins.add(name, version, [str(file["hash"]) for file in files if "hash" in file])


def _is_root(package: Mapping[str, Any]) -> bool:
    source = table(package.get("source"))
    return "." in (source.get("editable"), source.get("virtual"))


def _chosen(names: Iterable[str]) -> Iterable[str]:
    return chosen({name: canonicalize_name(name) for name in names})


def _check_python(requires: str, python: Mapping[str, str]) -> None:
    version = python["python_full_version"]
    if requires and not Requirement(f"python{requires}").specifier.contains(version, prereleases=True):
        raise InvalidInput(f"the lock file is for Python {printable(requires, 80)}; the sandbox has {version}")
