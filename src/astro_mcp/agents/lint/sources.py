"""The copy that linters read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from astro_mcp.core.authority import Session
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile, beside
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

FILES: Final = 20_000
BYTES: Final = 128 * 1024 * 1024
FOLDER: Final = ".astro/out"
FILE: Final = "report"
"""Below `FOLDER`: what a linter writes to, where it does not write to its output."""


@dataclass(frozen=True, slots=True)
class Sources:
    """`places` is what was asked for; `files` holds that and the linters' settings files above it."""

    places: tuple[Place, ...]
    files: tuple[SandboxFile, ...]
    withheld: tuple[str, ...]

    @property
    def by_path(self) -> dict[str, bytes]:
        return {file.path: file.data for file in self.files}

    def fits(self, linter: Linter) -> bool:
        """Whether there is something here for a linter that nobody named."""
        configured = not linter.needs_config or any(named(file.path, linter.config) for file in self.files)
        return configured and any(named(file.path, linter.detect) and self.asked(file.path) for file in self.files)

    def arguments(self, linter: Linter) -> list[str]:
        """What was asked for, as arguments: folders whole, and files only where they are of the linter's kind."""
        single = {file.path for file in self.files}
        relatives = [place.relative for place in self.places]
        fitting = [path for path in relatives if path not in single or named(path, linter.detect)]
        return [f"./{path}" if path else "." for path in dict.fromkeys(fitting)]

    def display(self, path: str) -> str:
        """A path of the copy as the session can pass it on."""
        return self.places[0].at(path).display

    def asked(self, path: str) -> bool:
        """Whether it is, or lies in, what was asked for."""
        return any(
            not place.relative or path == place.relative or path.startswith(f"{place.relative}/")
            for place in self.places
        )


async def take(workspace: Workspace, session: Session, places: Sequence[Place], linters: Sequence[Linter]) -> Sources:
    """Copy `places`, all of one root, and the settings files of `linters` that apply there. Raises as a snapshot."""
    names = sorted({name for linter in linters for name in linter.config})
    above = await workspace.quickly(lambda: settings_above(places, names))
    paths = [place.display for place in (*places, *above)]
    snapshot = await workspace.snapshot(session, paths, max_files=FILES, max_bytes=BYTES)
    copies = (SandboxFile(file.path, file.data, file.executable) for file in snapshot.files)
    files, odd = beside(copies, {f"{FOLDER}/{FILE}"})
    return Sources(tuple(places), files, (*snapshot.withheld, *odd))


def settings_above(places: Sequence[Place], names: Sequence[str]) -> list[Place]:
    """Settings files in the folders from the root down to each place. Blocks."""
    folders = {"/".join(place.parts[:depth]): place for place in places for depth in range(len(place.parts))}
    found = [place.at(f"{folder}/{name}" if folder else name) for folder, place in folders.items() for name in names]
    return [place for place in found if place.path.is_file()]


def named(path: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(path.rpartition("/")[2], glob) for glob in globs)
