"""What `importlib.metadata` tells of the project under test, which is neither built nor installed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from astro_mcp.agents.tests import setup_files
from astro_mcp.agents.tests.project import OURS
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.packages.project_needs import TEXT_BYTES
from astro_mcp.sandbox.packages.tables import strings, table
from astro_mcp.workspace.text import one_line
from astro_mcp.workspace.toml import toml

PYPROJECT: Final = "pyproject.toml"
COMMANDS: Final = f"{OURS}/bin"
MOST: Final = 100
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
UNKNOWN: Final = "0.0.0"
"""The version of a project whose build makes it, from a tag or the like."""
TOLD: Final = f"its version is made by a build: importlib.metadata tells {UNKNOWN}"
_TARGET: Final = re.compile(r"([A-Za-z_][\w.]{0,200}) *: *([A-Za-z_][\w.]{0,200})(?: *\[.*\])?")
_SAID: Final = re.compile(
    r"""^(?:__version__|version|VERSION)(?: *: *str)?(?: *= *version)? *= *["']([^"'\n]{1,60})["']""",
    re.MULTILINE,
)


def metadata(files: Mapping[str, SandboxFile]) -> tuple[SandboxFile, ...]:
    """The project's name, version and entry points in the form that `importlib.metadata` reads.

    Many projects ask for their own version when they are imported, and as nothing is built or installed they would
    not find it. A version that is not written down is `UNKNOWN`, which `made_up` tells.
    """
    if any(path.endswith(".egg-info/PKG-INFO") for path in files):
        return ()
    project, info = _project_table(files), files.get("PKG-INFO")
    name, version = str(project.get("name", "")), _version(project, files)
    text = "\n".join(_lines(project, name, version)).encode("utf-8", "replace")
    if info is not None:  # the top of a source distribution, which has all of it
        text = info.data
        fields = dict(re.findall(rb"^(Name|Version): *(\S+)", text[:TEXT_BYTES], re.MULTILINE))
        name, version = (fields.get(key, b"").decode("utf-8", "replace") for key in (b"Name", b"Version"))
    if not NAME.fullmatch(name) or not re.fullmatch(r"[A-Za-z0-9.!+_-]{1,60}", version):
        return ()
    folder = f"{OURS}/{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    entry_points = _entry_points(project).encode("utf-8", "replace")
    record = "".join(f"../{path},,\n" for path in _modules(files)).encode("utf-8", "replace")
    made = {"METADATA": text, "entry_points.txt": entry_points, "RECORD": record}
    return (*(SandboxFile(f"{folder}/{name}", data) for name, data in made.items()), *_commands(project))


def _commands(project: Mapping[str, Any]) -> Iterator[SandboxFile]:
    """The project's own programs, which its tests may start."""
    for name, target in list(table(project.get("scripts")).items())[:MOST]:
        if NAME.fullmatch(name) and (found := _TARGET.fullmatch(str(target))):
            lines = ("#!/usr/bin/env python3", "import sys", "from operator import attrgetter as of")
            text = "\n".join((*lines, f"import {found[1]} as it", f"sys.exit(of({found[2]!r})(it)())\n"))
            yield SandboxFile(f"{COMMANDS}/{name}", text.encode(), executable=True)


def _modules(files: Mapping[str, SandboxFile]) -> list[str]:
    """Those of the package that is under test: pytest rewrites the assertions of a plugin's, and finds them by the
    record of its files."""
    there = [path for path in files if path.endswith(".py") and '"' not in path and "," not in path]
    source = [path for path in there if path.startswith("src/")]
    return source or [path for path in there if not path.startswith(("test", "docs/"))]


def made_up(files: Mapping[str, SandboxFile]) -> list[str]:
    """A line where the version is none that the project says."""
    project = _project_table(files)
    unknown = "version" in strings(project.get("dynamic")) and _version(project, files) == UNKNOWN
    told = f"{PYPROJECT if _declared(files) else setup_files.source(files)} ({TOLD})"
    return [told] if unknown and "PKG-INFO" not in files and metadata(files) else []


def _project_table(files: Mapping[str, SandboxFile]) -> dict[str, Any]:
    """`[project]`, and what Poetry's own table says beside it; without both what is written for setuptools."""
    declared = _declared(files)
    return declared if "name" in declared else {**setup_files.written(files), **declared}


def _declared(files: Mapping[str, SandboxFile]) -> dict[str, Any]:
    file = files.get(PYPROJECT)
    try:
        document = toml(file.data.decode("utf-8")) if file else {}
    except ValueError:
        return {}
    project, tools = table(document.get("project")), table(document.get("tool"))
    hatch = table(table(tools.get("hatch")).get("version"))
    named = {"path": hatch["path"]} if "path" in hatch else {}
    return {**table(tools.get("poetry")), **project, **named}


def _version(project: Mapping[str, Any], files: Mapping[str, SandboxFile]) -> str:
    """As written down, else as a module of the package says it; empty where it is not left to a build either."""
    if "version" in project or "version" not in strings(project.get("dynamic")):
        return str(project.get("version", ""))
    there = (files[path].data for path in _places(project) if path in files)
    said = (_SAID.search(data[:TEXT_BYTES].decode("utf-8", "replace")) for data in there)
    return next((match[1] for match in said if match), UNKNOWN)


def _places(project: Mapping[str, Any]) -> Iterator[str]:
    """Modules that may say the version: the one that hatch is told of, a generated one, or the package itself."""
    yield str(project.get("path"))
    package = re.sub(r"[-_.]+", "_", str(project.get("name", ""))).lower()
    for module in ("_version", "version", "__about__", "__version__", "__init__"):
        yield from (f"{folder}{package}/{module}.py" for folder in ("src/", ""))
    yield from (f"src/{package}.py", f"{package}.py")


def _lines(project: Mapping[str, Any], name: str, version: str) -> Iterator[str]:
    """Those that packages ask for beside their version."""
    yield from ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}")
    if isinstance(summary := project.get("description"), str):
        yield f"Summary: {one_line(summary)}"
    authors = project.get("authors")
    for author in map(table, authors if isinstance(authors, list) else ()):
        if isinstance(email := author.get("email"), str):
            yield "Author-email: " + one_line(f"{author.get('name', '')} <{email}>")
    for label, url in table(project.get("urls")).items():
        yield f"Project-URL: {one_line(f'{label}, {url}')}"
    yield ""


def _entry_points(project: Mapping[str, Any]) -> str:
    groups = dict(table(project.get("entry-points")))
    groups["console_scripts"] = project.get("scripts")
    lines = []
    for group, entries in groups.items():
        lines.append(f"[{group}]")
        lines += [f"{name} = {target}" for name, target in table(entries).items() if isinstance(target, str)]
    return "\n".join(line for line in lines if "\n" not in line) + "\n"
