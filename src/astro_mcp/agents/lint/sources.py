"""The copy that linters read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import translate
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import Final

from astro_mcp.agents.lint.configured import NAMED, Configured
from astro_mcp.agents.lint.copies import Copies
from astro_mcp.agents.lint.extended import extended
from astro_mcp.core.authority import Session
from astro_mcp.errors import AstroError, LimitHit, TooLarge
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile, beside
from astro_mcp.sandbox.standing import SCRIPT
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.walk import Entry
from astro_mcp.workspace.workspace import Workspace

FOLDER: Final = ".astro/out"
FILE: Final = "report"
"""Below `FOLDER`: what a linter's report is written to."""
LOOKED: Final = "looked"
"""Beside it: the files that the linter looks at, as it says itself."""
ADVISED: Final = ".astro/advised.py"
ADVISORIES: Final = ".astro/advisories.json"
"""What a linter of packages is run by, and what it is given in place of a network."""
OURS: Final = frozenset({f"{FOLDER}/{FILE}", f"{FOLDER}/{LOOKED}", SCRIPT, ADVISED, ADVISORIES})
"""What lies beside the project's files."""
GENERATED: Final = (".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
"""Ends of names of what code imports: where it is ignored it was generated, as `_version.py` is."""
NAMES: Final = 20_000
"""Files beside what was asked for that empty ones stand for."""
NOTHING: Final = "(?!)"
"""A pattern that nothing matches."""


@dataclass(frozen=True)
class Sources:
    """`places` is what was asked for; `files` holds that and the linters' settings files above it. `shared` are names
    of settings files that linters share. `before`: they are those of a commit. `stand_ins` are the paths of files that
    are empty here, and lie beside what was asked for; `extended` those of settings files of other names. `generated`
    is what `.gitignore` hides and code may import: it is there for who follows imports, and nobody looks at it."""

    places: tuple[Place, ...]
    files: tuple[SandboxFile, ...]
    withheld: tuple[str, ...]
    shared: frozenset[str] = frozenset()
    before: bool = False
    stand_ins: frozenset[str] = frozenset()
    extended: frozenset[str] = frozenset()
    generated: tuple[SandboxFile, ...] = ()

    @property
    def by_path(self) -> dict[str, bytes]:
        return {file.path: file.data for file in self.files}

    @cached_property
    def paths(self) -> frozenset[str]:
        return frozenset(file.path for file in self.files)

    @cached_property
    def said(self) -> Configured:
        """What the project says of linters. Blocks."""
        return Configured(self.files, self.shared)

    @property
    def whole(self) -> bool:
        """Whether the root was asked for."""
        return any(not place.relative for place in self.places)

    def fitting(self, linters: Sequence[Linter]) -> list[Linter]:
        """Those that have something to do here, and run unasked. Blocks."""
        found = [linter for linter in linters if self._detected(linter)]
        return [
            linter
            for linter in found
            if not linter.needs_config or next(self._matching(linter.config), "") or self.said.names(linter)
        ]

    def arguments(self, linter: Linter) -> list[str]:
        """What was asked for, as arguments: folders whole, and files only where they are of the linter's kind. What
        lies in another of them is not named twice: some look at it twice then, and mypy at nothing at all."""
        if linter.takes == "files":
            return [f"./{path}" for path in self._matching(linter.detect) if self.asked(path)]
        single = {file.path for file in self.files}
        relatives = [place.relative for place in self.places]
        fitting = [path for path in relatives if path not in single or named(path, linter.detect)]
        below = tuple(f"{path}/" if path else "" for path in fitting)
        apart = (path for path in fitting if not path or not path.startswith(below))
        return [f"./{path}" if path else "." for path in dict.fromkeys(apart)]

    def scoped(self, linter: Linter) -> bool:
        """Whether the root was asked for, and the project says what of it `linter` looks at. Blocks."""
        return self.whole and self.said.has_scope(linter)

    def settings(self, linter: Linter) -> list[str]:
        """The settings files of `linter` at the top. Blocks."""
        below = [glob for glob in linter.config if "/" in glob]
        own = [path for path in self._matching(linter.config) if "/" not in path or named(path, below)]
        shared = [name for name in linter.sections if name.endswith(".toml") and self.said.has_section(name, linter)]
        return own + shared

    def display(self, path: str) -> str:
        """A path of the copy as the session can pass it on."""
        return self.places[0].at(path).display

    def asked(self, path: str) -> bool:
        """Whether it is, or lies in, what was asked for."""
        return any(
            not place.relative or path == place.relative or path.startswith(f"{place.relative}/")
            for place in self.places
        )

    def _detected(self, linter: Linter) -> bool:
        return any(self.asked(path) for path in self._matching(linter.detect))

    def _matching(self, globs: Sequence[str]) -> Iterator[str]:
        return (file.path for file in self.files if named(file.path, globs))


def wanted(places: Sequence[Place], linters: Sequence[Linter]) -> list[Place]:
    """`places`, and the settings files of `linters` that apply there. Blocks."""
    shared = (name for linter in linters for name in linter.sections)
    names = sorted({*NAMED, *shared, *(name for linter in linters for name in linter.config)})
    return [*places, *settings_above(places, names)]


def surveyed() -> Survey:
    """One that has generated files too."""
    return Survey(lambda name: name.endswith(GENERATED))


async def take(
    copies: Copies, session: Session, places: Sequence[Place], linters: Sequence[Linter], survey: Survey
) -> Sources:
    """Copy `places`, all of one root, and the settings files of `linters` that apply there, with those that they
    extend; `survey` has what lies there. Raises as a snapshot."""
    paths = [place.display for place in await copies.workspace.quickly(lambda: wanted(places, linters))]
    shared = frozenset(name for linter in linters for name in (*linter.sections, *linter.scopes))
    more: set[str] = set()
    while True:
        files, withheld = await copy(copies, session, [*paths, *map(places[0].shown, sorted(more))], survey)
        found = await copies.workspace.at_length(partial(extended, files, linters))
        new = found - more - ({file.path for file in files} if found else set())
        new = await copies.workspace.quickly(partial(_there, copies, session, places[0], new)) if new else new
        if not new:
            files, generated = await _apart(copies, places, files, survey)
            return Sources(tuple(places), files, withheld, shared, extended=frozenset(found), generated=generated)
        more |= new


def _there(copies: Copies, session: Session, place: Place, paths: Iterable[str]) -> set[str]:
    """Those of `paths` that are files. Blocks."""
    found = set()
    for path in paths:
        with suppress(AstroError):  # it lies elsewhere: who reads the settings says so
            other = copies.workspace.locate(session, place.shown(path))
            found.update([path] if other.path.is_file() else [])
    return found


async def whole(copies: Copies, session: Session, sources: Sources, survey: Survey) -> Sources:
    """The same with everything that lies in the root, or with a line on why not. Raises as a snapshot."""
    try:
        files, withheld = await copy(copies, session, [sources.places[0].at("").display], survey)
    except TooLarge as error:
        return replace(sources, withheld=(*sources.withheld, f"what else may be imported ({error.message})"))
    files, generated = await _apart(copies, sources.places, files, survey)
    return replace(sources, files=files, withheld=withheld, stand_ins=frozenset(), generated=generated)


async def _apart(
    copies: Copies, places: Sequence[Place], files: tuple[SandboxFile, ...], survey: Survey
) -> tuple[tuple[SandboxFile, ...], tuple[SandboxFile, ...]]:
    """The files, and those that are ignored and were not named."""
    hidden = survey.hidden - {place.relative for place in places}
    if not hidden:
        return files, ()

    def work() -> tuple[tuple[SandboxFile, ...], tuple[SandboxFile, ...]]:
        kept = tuple(file for file in files if file.path not in hidden)
        return kept, tuple(file for file in files if file.path in hidden)

    return await copies.workspace.quickly(work)


async def with_names(workspace: Workspace, sources: Sources, linters: Sequence[Linter], survey: Survey) -> Sources:
    """The same with empty files for what `linters` look for by name beside it, or with a line on why not."""
    globs = [glob for linter in linters for glob in linter.beside]
    root = sources.places[0].at("")

    def work() -> Sources:
        found = (entry for entry in survey.below(root) if isinstance(entry, Entry) and entry.type in ("file", "link"))
        new = (one.path for one in found if not one.hidden and one.path not in sources.paths)
        paths = (path for path in new if named(path, globs))
        files, _ = beside((SandboxFile(path, b"") for path in islice(paths, NAMES)), OURS)
        every = sorted((*sources.files, *files), key=lambda file: file.path)
        return replace(sources, files=tuple(every), stand_ins=frozenset(file.path for file in files))

    try:
        return await workspace.at_length(work, root.root) if globs else sources
    except LimitHit as error:
        return replace(sources, withheld=(*sources.withheld, f"the names of files beside the paths ({error.message})"))


async def copy(
    copies: Copies, session: Session, paths: Sequence[str], survey: Survey
) -> tuple[tuple[SandboxFile, ...], tuple[str, ...]]:
    """The files, and what was left out."""
    snapshot = await copies.take(session, paths, survey)
    given = (SandboxFile(file.path, file.data, file.executable) for file in snapshot.files)
    files, odd = beside(given, OURS)
    return files, (*snapshot.withheld, *odd)


def settings_above(places: Sequence[Place], names: Sequence[str]) -> list[Place]:
    """Settings files in the folders from the root down to each place; those with a folder's name lie in the root's.
    Blocks."""
    folders = {"/".join(place.parts[:depth]): place for place in places for depth in range(len(place.parts))}
    plain = [name for name in names if "/" not in name]
    found = [place.at(f"{folder}/{name}" if folder else name) for folder, place in folders.items() for name in plain]
    inner = {name.partition("/")[0] for name in names if "/" in name}
    below = [place.at(name) for place in places[:1] if place.relative for name in sorted(inner)]
    return [place for place in found if place.path.is_file()] + [place for place in below if place.path.is_dir()]


def named(path: str, globs: Sequence[str]) -> bool:
    """Whether one of `globs` names `path`: by its last part, or by the whole where there is a slash."""
    last, full = patterns(tuple(globs))
    return last.match(path.rpartition("/")[2]) is not None or full.match(path) is not None


@lru_cache(maxsize=200)
def patterns(globs: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of those without a slash, and of those with one."""
    return _any(glob for glob in globs if "/" not in glob), _any(glob for glob in globs if "/" in glob)


def _any(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)) or NOTHING)
