"""Pipfile: `[packages]`, and with tests the categories for these, `[dev-packages]` among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from astro_mcp.sandbox.packages.declared.dependency import MOST, UNKNOWN, Dependency, named, said, together
from astro_mcp.sandbox.packages.declared.purposes import chosen
from astro_mcp.sandbox.packages.tables import table

ADDRESSES: Final = ("git", "hg", "svn", "bzr", "path", "file", "uri", "editable")
VARIABLES: Final = (
    "os_name",
    "sys_platform",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_version",
    "python_full_version",
    "implementation_name",
    "implementation_version",
)


def dependencies(
    document: Mapping[str, Any], leave: Callable[[str, str], None], *, tests: bool
) -> Iterator[Dependency]:
    """What is needed; `leave` is told what can't be read, and why."""
    purposes = {name: name.lower().removesuffix("-packages") for name in document}
    categories = ("packages", *(chosen(purposes) if tests else ()))
    entries = [entry for category in categories for entry in table(document.get(category)).items()]
    if len(entries) > MOST:
        leave("Pipfile", f"over {MOST} packages, and the others are not read")
    for name, value in entries[:MOST]:
        try:
            found = _dependency(name, value)
        except ValueError:
            leave(f"{name} {value}", UNKNOWN)
        else:
            yield found


def marker_of(entry: Mapping[str, Any]) -> Marker | None:
    """`markers` of an entry, and the variables that it may have as keys of their own. Raises `ValueError`."""
    return together(
        (said(entry, "markers"), *(f"{key} {said(entry, key)}" for key in VARIABLES if entry.get(key) is not None))
    )


def is_address(entry: Mapping[str, Any]) -> bool:
    return any(entry.get(key) for key in ADDRESSES)


def _dependency(name: str, value: object) -> Dependency:
    entry = {"version": value} if isinstance(value, str) else value
    if not isinstance(entry, dict):
        raise ValueError("neither a version nor a table")
    name, extras = named(name, entry.get("extras", []))
    version = said(entry, "version").strip()
    versions = SpecifierSet("" if version == "*" else f"=={version}" if version[:1].isdigit() else version)
    elsewhere = is_address(entry) or said(entry, "index") not in (
        "",
        "pypi",
    )  # a stranger may have its name
    return Dependency(name, extras, (versions,), marker_of(entry), not elsewhere)
