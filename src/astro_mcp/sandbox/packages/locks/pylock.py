"""pylock.toml (PEP 751)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock

from astro_mcp.sandbox.packages.declared.purposes import chosen, chosen_names
from astro_mcp.sandbox.packages.locks.pins import Pins, check_python


def read(document: Mapping[str, Any], python: Mapping[str, str], pins: Pins, *, tests: bool) -> None:
    lock = Pylock.from_dict(document)
    check_python(str(lock.requires_python or ""), python)
    extras = chosen({name: name for name in lock.extras or ()}) if tests else ()
    groups = [*(lock.default_groups or ()), *(chosen_names(lock.dependency_groups or ()) if tests else ())]
    environment: dict[str, str | frozenset[str]] = {**python}
    environment |= {"extras": frozenset(extras), "dependency_groups": frozenset(groups)}
    for package in lock.packages:
        if package.marker is None or package.marker.evaluate(environment, context="lock_file"):
            _package(package, pins)


def _package(package: Package, pins: Pins) -> None:
    files: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
    if package.sdist is not None:
        files.append(package.sdist)
    if package.directory is not None and package.directory.path in (".", "./"):
        return  # the project itself
    if not files or package.version is None:
        pins.leave(package.name)
    else:
        hashes = [f"{kind}:{value}" for file in files for kind, value in file.hashes.items()]
        pins.add(package.name, str(package.version), hashes)
