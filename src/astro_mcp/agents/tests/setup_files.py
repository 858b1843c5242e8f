"""A project's name, version and entry points as setup.cfg and setup.py write them down. Nothing of them runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.packages.declared.setup_cfg import NAME, sections
from astro_mcp.sandbox.packages.declared.setup_py import NAME as SCRIPT
from astro_mcp.sandbox.packages.declared.setup_py import given

LARGEST: Final = 50_000
FOLDERS: Final = ("src/", "", "lib/")


def written(files: Mapping[str, SandboxFile]) -> dict[str, Any]:
    """In the words of `[project]`; a version that neither says is dynamic. Empty where there is no name."""
    configured = _configured(files)
    project = {**_script(files), **configured}
    if "name" not in project:
        return {}
    return project if "version" in project else {**project, "dynamic": ["version"]}


def source(files: Mapping[str, SandboxFile]) -> str:
    """The one of the two that is there."""
    return NAME if NAME in files and "name" in _configured(files) else SCRIPT


def _configured(files: Mapping[str, SandboxFile]) -> dict[str, Any]:
    try:
        said = sections(files[NAME].data) if NAME in files else {}
    except ValueError:
        return {}
    metadata = said.get("metadata", {})
    project: dict[str, Any] = {key: metadata[key] for key in ("name", "description") if metadata.get(key)}
    if version := _version(metadata.get("version", ""), files):
        project["version"] = version
    groups = {name: _pairs(text) for name, text in said.get("options.entry_points", {}).items()}
    project["scripts"] = groups.pop("console_scripts", {})
    return {**project, "entry-points": groups}


def _version(said: str, files: Mapping[str, SandboxFile]) -> str:
    """Itself, or what is in the file or at the name of a module that it names; empty where that is not written down."""
    kind, colon, rest = said.partition(":")
    if not colon:
        return said
    if kind == "file":
        file = files.get(rest.strip())
        return file.data[:LARGEST].decode("utf-8", "replace").strip() if file else ""
    module, _, name = rest.strip().rpartition(".")
    path = module.replace(".", "/")
    there = (files.get(f"{top}{path}{end}") for top in FOLDERS for end in (".py", "/__init__.py"))
    text = next((file.data[:LARGEST].decode("utf-8", "replace") for file in there if file), "")
    found = re.search(rf"""^{re.escape(name)}(?: *: *\w+)? *= *["']([^"'\n]{{1,60}})["']""", text, re.MULTILINE)
    return found[1] if found and kind == "attr" else ""


def _pairs(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.split("\n"))
    return {name.strip(): target.strip() for name, equals, target in pairs if equals}


def _script(files: Mapping[str, SandboxFile]) -> dict[str, Any]:
    said = given(files[SCRIPT].data) if SCRIPT in files else {}
    return {name: said[name] for name in ("name", "version") if isinstance(said.get(name), str)}
