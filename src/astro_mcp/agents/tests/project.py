"""A project as the sandbox gets it: its files, where its packages are, and what it says that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.packages.project_needs import counts
from astro_mcp.workspace.place import Place

WORKSPACE: Final = "/workspace"
MEMBERS: Final = 200
"""Projects below one whose modules can be imported in its tests."""
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
        """Where imports look, first to last: our folder, the `src` layout's folder where there is one, the top, and
        those folders of the projects below it, whose tests run with its own."""
        source = [f"{WORKSPACE}/src"] if any(path.startswith("src/") for path in self.files) else []
        return [f"{WORKSPACE}/{OURS}", *source, WORKSPACE, *(f"{WORKSPACE}/{folder}" for folder in self._members())]

    def _members(self) -> list[str]:
        tops = (path.removesuffix("pyproject.toml") for path in self.files if path.endswith("/pyproject.toml"))
        folders = {f"{top}src" for top in tops if ":" not in top}
        parts = (path.split("/") for path in self.files)
        there = {"/".join(part[: place + 1]) for part in parts for place, name in enumerate(part[:-1]) if name == "src"}
        return sorted(folders & there)[:MEMBERS]

    def display(self, path: str) -> str:
        """A path of the copy as the session can pass it on; paths outside of the project stay as they are."""
        relative = path.removeprefix(f"{WORKSPACE}/")
        if not relative or relative.startswith("/"):
            return relative
        return self.top.at("/".join(filter(None, (self.top.relative, relative)))).display
