"""The runner that a call means, and the copy of its project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from astro_mcp.agents.tests.choice import MARK_BYTES, Choice, by_name, choose, named
from astro_mcp.agents.tests.metadata import made_up, metadata
from astro_mcp.agents.tests.models import RunInput
from astro_mcp.agents.tests.project import OURS, Project
from astro_mcp.agents.tests.selection import CODE, SELECTION
from astro_mcp.agents.tests.targets import file_of
from astro_mcp.core.authority import Session
from astro_mcp.errors import AstroError, NotFound
from astro_mcp.runner import Runner
from astro_mcp.sandbox.job import SandboxFile, beside
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.walk import Entry, walk
from astro_mcp.workspace.workspace import Workspace

FILES: Final = 20_000
BYTES: Final = 128 * 1024 * 1024
SOURCES: Final = (".py", ".go", ".rs", *CODE)
"""Ends of names that what tests import has. `.gitignore` hides generated ones, such as `_version.py`, and one that a
repository has all the same; beside the others they are imported as these are."""
WRITABLE: Final = "node_modules/.astro"
"""Makes a folder nearer than that of the image, which nothing can be written to: vite makes its settings' module there,
and does not start where it can't."""


class Copying:
    """`modules` are the pack's files for the sandbox, by name."""

    def __init__(self, workspace: Workspace, runners: Sequence[Runner], modules: Mapping[str, bytes]) -> None:
        self._workspace = workspace
        self._runners = runners
        self._modules = modules

    async def choice(self, args: RunInput, place: Place) -> Choice:
        """Raises `InvalidInput` where no runner is of that name, or fits."""

        def text(mark: Place) -> str:
            try:
                return self._workspace.read_now(mark, MARK_BYTES).decode("utf-8", "replace")
            except AstroError:  # it can't be read: it says nothing
                return ""

        def names() -> list[str]:
            if place.path.is_file():
                return [place.name]
            return [_last(entry.path) for entry in walk(place) if isinstance(entry, Entry)]

        def find() -> Choice:
            if args.runner:
                return named(by_name(self._runners, args.runner), place, text)
            meant = [_last(file_of(test)) for test in args.ids] or [place.name]
            return choose(self._runners, place, meant, text, names)

        return await self._workspace.at_length(find, place.root)

    async def project(self, place: Place, choice: Choice, session: Session) -> Project:
        """Raises `NotFound` where there is nothing at `place`, and what `Workspace.snapshot` does."""
        runner, top = choice.runner, place.at(choice.top)
        survey = Survey(lambda name: name.endswith(SOURCES))
        snapshot = await self._workspace.snapshot(
            session, [top.display], max_files=FILES, max_bytes=BYTES, survey=survey
        )
        start = len(top.relative) + 1 if top.relative else 0
        files = {
            file.path[start:]: SandboxFile(file.path[start:], file.data, file.executable) for file in snapshot.files
        }
        modules = (f"{OURS}/{name}" for name in (*self._modules, SELECTION))
        ours = {f"{OURS}/out/{runner.log}", *modules, *(file.path for file in self.ours(runner, files))}
        theirs, odd = beside(files.values(), ours)
        withheld = (*snapshot.withheld, *("/".join(filter(None, (top.relative, line))) for line in odd))
        told = await self._workspace.quickly(lambda: made_up(files)) if runner.packages == "pypi" else []
        withheld = (*withheld, *told)
        project = Project(top, place.relative[start:], {file.path: file for file in theirs}, withheld, runner.name)
        below = f"{project.target}/" if project.target else ""
        if not any(path == project.target or path.startswith(below) for path in files):
            raise NotFound(f"there is nothing to test at {place.display}", "fs_list shows what there is")
        return project

    def ours(self, runner: Runner, files: Mapping[str, SandboxFile]) -> tuple[SandboxFile, ...]:
        """What goes in beside the project's `files`."""
        plugin = [SandboxFile(f"{OURS}/{runner.plugin}", self._modules[runner.plugin])] if runner.plugin else []
        match runner.packages:
            case "pypi":
                return (*plugin, *metadata(files))
            case "npm":
                return (*plugin, SandboxFile(WRITABLE, b""))
        return tuple(plugin)


def _last(path: str) -> str:
    return path.rpartition("/")[2]
