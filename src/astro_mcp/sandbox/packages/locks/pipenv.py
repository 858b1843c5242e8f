"""Pipfile.lock: every package of a category stands in it, so that nothing has to be followed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from packaging.utils import canonicalize_name

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.declared.dependency import said
from astro_mcp.sandbox.packages.declared.pipfile import is_address, marker_of
from astro_mcp.sandbox.packages.declared.purposes import chosen_names
from astro_mcp.sandbox.packages.locks.pins import ANEW, Pins
from astro_mcp.sandbox.packages.tables import strings, table

SPEC: Final = 6
ENTRIES: Final = 2_000
"""Those of other environments and those that are left out among them."""


def read(document: Mapping[str, Any], python: Mapping[str, str], pins: Pins, *, tests: bool) -> None:
    meta = document["_meta"]
    spec = meta["pipfile-spec"]
    if not isinstance(spec, int) or spec > SPEC:
        raise InvalidInput(f"Pipfile.lock is of specification {printable(str(spec), 40)}; {SPEC} is read", ANEW)
    _tell_python(table(meta.get("requires")), python, pins)
    others = [name for name in document if name not in ("_meta", "default")]
    categories = list(chosen_names(others)) if tests else []
    entries: dict[str, Any] = {}
    for category in (*categories, "default"):  # as Pipenv does: of two, default's
        entries |= {canonicalize_name(name, validate=True): entry for name, entry in document[category].items()}
    if len(entries) > ENTRIES:
        raise TooLarge(f"Pipfile.lock has more than {ENTRIES} packages")
    environment: dict[str, str | frozenset[str]] = {**python, "extras": frozenset()}
    environment["dependency_groups"] = frozenset({*categories, *(("dev",) if "develop" in categories else ())})
    for name, entry in entries.items():
        marker = marker_of(entry)
        if marker is None or marker.evaluate(environment, context="lock_file"):
            _entry(name, entry, pins)


def _tell_python(requires: Mapping[str, Any], python: Mapping[str, str], pins: Pins) -> None:
    """Pipenv warns, too, and goes on: the version there is that of one developer's machine, and no bound."""
    for key in ("python_version", "python_full_version"):
        wanted = said(requires, key)
        if wanted and wanted != python[key]:
            pins.wanted.leave(f"Python {wanted}", f"Pipfile.lock is made for it, and the sandbox has {python[key]}")


def _entry(name: str, entry: Mapping[str, Any], pins: Pins) -> None:
    if is_address(entry):
        if entry.get("path") not in (".", "./"):  # the project itself
            pins.leave(name)
        return
    pinned = re.fullmatch(r"== *([^ ]+)", said(entry, "version"))
    if pinned is None or pinned[1].endswith(".*"):
        raise InvalidInput(f"Pipfile.lock pins no version of {name[:80]}", ANEW)
    pins.add(name, pinned[1], strings(entry.get("hashes")))
