"""A project as the sandbox gets it: its files, where its packages are, and what it says that it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.packages.project_needs import TEXT_BYTES, counts
from astro_mcp.sandbox.packages.tables import table
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.toml import toml

WORKSPACE: Final = "/workspace"
OURS: Final = ".astro"
"""The folder of the copy that is ours: a hidden one, so that no runner looks for tests in it."""


@dataclass(frozen=True, slots=True)
class Project:
    """`top` is where the project begins, `target` what of it is meant (posix, below `top`; "" is all of it), `runner`
    the name of what runs its tests."""

    top: Place
    target: str
    files: Mapping[str, SandboxFile]
    withheld: tuple[str, ...]
    runner: str

    @property
    def key(self) -> str:
        """What its rows in the store go by, beside their scope."""
        return f"{self.top.path} {self.runner}"

    @property
    def texts(self) -> dict[str, bytes]:
        """The text files that say what a project needs."""
        return {path: file.data for path, file in self.files.items() if counts(path, len(file.data))}

    @property
    def python_path(self) -> list[str]:
        """Where imports look, first to last: our folder, the `src` layout's folder where there is one, the top."""
        source = [f"{WORKSPACE}/src"] if any(path.startswith("src/") for path in self.files) else []
        return [f"{WORKSPACE}/{OURS}", *source, WORKSPACE]

    def display(self, path: str) -> str:
        """A path of the copy as the session can pass it on; paths outside of the project stay as they are."""
        relative = path.removeprefix(f"{WORKSPACE}/")
        if not relative or relative.startswith("/"):
            return relative
        return self.top.at("/".join(filter(None, (self.top.relative, relative)))).display


def metadata(files: Mapping[str, SandboxFile]) -> tuple[SandboxFile, ...]:
    """The project's name, version and entry points in the form that `importlib.metadata` reads.

    Many projects ask for their own version when they are imported, and as nothing is built or installed they would
    not find it. Nothing is made up: where name or version are not written down, there is none.
    """
    if any(path.endswith(".egg-info/PKG-INFO") for path in files):
        return ()
    project, info = _project_table(files), files.get("PKG-INFO")
    name, version = str(project.get("name", "")), str(project.get("version", ""))
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode("utf-8", "replace")
    if info is not None:  # the top of a source distribution, which has all of it
        text = info.data
        fields = dict(re.findall(rb"^(Name|Version): *(\S+)", text[:TEXT_BYTES], re.MULTILINE))
        name, version = (fields.get(key, b"").decode("utf-8", "replace") for key in (b"Name", b"Version"))
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name) or not re.fullmatch(r"[A-Za-z0-9.!+_-]{1,60}", version):
        return ()
    folder = f"{OURS}/{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    entry_points = _entry_points(project).encode("utf-8", "replace")
    return SandboxFile(f"{folder}/METADATA", text), SandboxFile(f"{folder}/entry_points.txt", entry_points)


def _project_table(files: Mapping[str, SandboxFile]) -> dict[str, Any]:
    file = files.get("pyproject.toml")
    try:
        return table(toml(file.data.decode("utf-8")).get("project")) if file else {}
    except ValueError:
        return {}


def _entry_points(project: Mapping[str, Any]) -> str:
    groups = dict(table(project.get("entry-points")))
    groups["console_scripts"] = project.get("scripts")
    lines = []
    for group, entries in groups.items():
        lines.append(f"[{group}]")
        lines += [f"{name} = {target}" for name, target in table(entries).items() if isinstance(target, str)]
    return "\n".join(line for line in lines if "\n" not in line) + "\n"
