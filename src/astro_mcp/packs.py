"""A pack is a folder with `tools/` and `resources/`. The install's own is the first one: in a wheel it lies beside the
package as `_pack/`, in a checkout at the top.

A manifest (`tools/<folder>/<name>.tool.toml`) adds an external tool without Python. It names a program, its arguments
as a list, and how its report reads; what it names always runs in the sandbox. (The suffix is `.tool.toml` because a
file called `ruff.toml` would be taken for ruff's own configuration.)
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, overload

from pydantic import Field, StringConstraints, ValidationError, model_validator

from astro_mcp.errors import AstroError, InvalidInput, Problem, Unavailable
from astro_mcp.linter_parts import ByFile, Defaults
from astro_mcp.manifest import (
    PATHS,
    REPORT,
    DebianName,
    Glob,
    LanguageName,
    Manifest,
    NpmRequirement,
    Requirement,
    WorkspaceFile,
)
from astro_mcp.nearest import nearest
from astro_mcp.report_formats import JsonReport, RegexReport, SarifReport, Table, Word
from astro_mcp.runner import Runner

__all__ = [
    "CONFIG",
    "GIVEN",
    "KINDS",
    "PATHS",
    "REPORT",
    "SCRIPT",
    "SUFFIX",
    "ByFile",
    "DebianImage",
    "Fix",
    "Language",
    "Linter",
    "LinterImage",
    "Manifest",
    "Pack",
    "Registry",
    "Runner",
    "Search",
    "SearchRequest",
    "SearchResults",
    "Severity",
    "read_manifest",
]
SUFFIX: Final = ".tool.toml"
CONFIG: Final = "{config}"
"""Stands in `argv` for a settings file at the top: one of `config`, or a TOML file with a section of its own. Its word
comes once for each, and not at all where there is none."""

SCRIPT: Final = "{advised}"
GIVEN: Final = "{advisories}"

Severity = Literal["error", "warning", "info"]
Registry = Literal["pypi", "npm"]
"""Where packages come from."""


class Fix(Table):
    """How a linter mends in place what it is sure of."""

    argv: tuple[Word, ...] = Field(
        min_length=1, description=f"Program and arguments, no shell; {PATHS} stands for the paths."
    )
    exit_codes: tuple[int, ...] = Field((0,), description="Exit codes of a fixer that did its work.")

    @model_validator(mode="after")
    def _takes_paths(self) -> Fix:
        if PATHS not in self.argv:
            raise ValueError(f"argv has no {PATHS}")
        return self


class LinterImage(Table):
    """What the linter's sandbox image holds beyond the base: packages of one registry."""

    pip: tuple[Requirement, ...] = Field((), description="Python packages, each a name and its versions.")
    npm: tuple[NpmRequirement, ...] = Field((), description="Packages of npm, each a name and its versions.")
    debian: tuple[DebianName, ...] = Field(
        (), description="What those of npm run in: the packages of Debian that a language's image is made of."
    )

    @model_validator(mode="after")
    def _of_one_registry(self) -> LinterImage:
        if bool(self.pip) == bool(self.npm) or bool(self.npm) != bool(self.debian):
            raise ValueError("has either pip, or npm and debian")
        return self


class Linter(Manifest):
    """A program that reads source files and reports findings."""

    folder = "linters"
    kind: Literal["linter"]
    detect: tuple[Glob, ...] = Field(
        min_length=1,
        description="Files that it reads, by name, or by path where there is a slash; it runs where there is one.",
    )
    config: tuple[Glob, ...] = Field((), description="Its own settings files, copied along with any path.")
    sections: Mapping[Glob, tuple[Word, ...]] = Field(
        default_factory=dict,
        description="Settings files that it shares with others, and the tables or sections in each that are its own.",
    )
    scopes: Mapping[Glob, tuple[Word, ...]] = Field(
        default_factory=dict,
        description="Settings files, and keys that say what it looks at: with one it is given no paths for the root.",
    )
    extends: str = Field("", description="The key in its settings that names other settings files, which come along.")
    needs_config: bool = Field(
        False,
        description="Runs unasked only where the project configures it: by a settings file, a section, a dependency "
        "for development, or a hook of pre-commit.",
    )
    imports: Registry | None = Field(
        None,
        description="It follows imports: the whole root is copied, and its image has the packages of this registry "
        "that the project names.",
    )
    beside: tuple[Glob, ...] = Field(
        (),
        description="Files that it looks for by their names beside those that it is asked about, as modules of the "
        "project: where paths are asked for empty ones stand for them.",
    )
    advised: str = Field(
        "",
        description="It audits packages: the file below resources/sandbox/ that runs it beside the advisories of those "
        "that its files pin, which come from the operator's database. {advised} and {advisories} in argv are the two.",
    )
    reads_only: bool = Field(
        False,
        description="It runs nothing of what it reads, no plugins and no settings that are code, and writes its report "
        "alone: it is asked again in a container that stays up and holds the files.",
    )
    takes: Literal["folders", "files"] = Field("folders", description="What its paths may be.")
    argv: tuple[Word, ...] = Field(
        min_length=1, description=f"Program and arguments, no shell; {PATHS} stands for the paths."
    )
    env: Mapping[str, str] = Field(default_factory=dict, description="Environment of it.")
    exit_codes: tuple[int, ...] = Field(
        (0, 1), description="Exit codes that come with a report; any other is a failure."
    )
    clean_codes: tuple[int, ...] = Field((0,), description="Those that may come with a report of no findings.")
    severities: Mapping[str, Severity] = Field(default_factory=dict, description="The tool's words for ours.")
    severity: Severity = Field("warning", description="What a finding is that names no severity, or an unknown one.")
    rule: str = Field("", description="The rule of a finding that names none.")
    report: JsonReport | RegexReport | SarifReport = Field(discriminator="format")
    by_file: ByFile | None = Field(None, description="Left out where findings hang on other files' text.")
    fix: Fix | None = Field(None, description="Left out where it only reports.")
    defaults: Defaults | None = Field(None, description="Left out where its settings are nobody else's.")
    image: LinterImage

    @model_validator(mode="after")
    def _takes_paths(self) -> Linter:
        if PATHS not in self.argv:
            raise ValueError(f"argv has no {PATHS}")
        if self.reads_only and self.imports:
            raise ValueError("what imports a project's packages does not only read")
        if {SCRIPT, GIVEN} & set(self.argv) != ({SCRIPT, GIVEN} if self.advised else set()):
            raise ValueError(f"{SCRIPT} and {GIVEN} stand in argv where advised names a file, and nowhere else")
        if self.advised and (self.imports or self.reads_only):
            raise ValueError("what is advised neither imports packages nor only reads")
        if self.by_file and not self.reads_only:
            raise ValueError("by_file belongs to what only reads")
        return self


class DebianImage(Table):
    """What the language's sandbox image holds beyond the base. Languages of the same packages share one."""

    debian: tuple[DebianName, ...] = Field(
        min_length=1, description="Packages of the Debian that images are made of, without versions."
    )


class Language(Manifest):
    """A language that `code_run` takes."""

    folder = "languages"
    kind: Literal["language"]
    aliases: tuple[LanguageName, ...] = Field((), description="What it is called too.")
    file: WorkspaceFile = Field(description="Where the program is put, below the workspace.")
    build: tuple[Word, ...] = Field(
        (), description="Program and arguments, no shell, that make what argv runs; empty where nothing is to be made."
    )
    argv: tuple[Word, ...] = Field(min_length=1, description="Program and arguments, no shell, that run it.")
    env: Mapping[str, str] = Field(default_factory=dict, description="Environment of both.")
    script: bool = Field(
        False,
        description="argv is python3 and the file, which the waiting interpreter runs with input, result and sessions.",
    )
    packages: Registry | None = Field(
        None, description="The registry that `packages` of a call are of; left out where the language takes none."
    )
    image: DebianImage | None = Field(None, description="Left out where the base image has all that it needs.")

    @model_validator(mode="after")
    def _runs_the_file(self) -> Language:
        if not any(self.file in word for word in (*self.build, *self.argv)):
            raise ValueError(f"neither build nor argv names {self.file}")
        if self.script and (self.argv != ("python3", self.file) or self.build or self.image):
            raise ValueError("a script's argv is python3 and its file; it has no build and no image")
        return self


class SearchRequest(Table):
    """How a JSON API is asked. In `headers` and `parameters` these words stand for what is known at the time: {query},
    {most}, {freshness} (the word below), {since} (a date), {include} and {exclude} (lists of domains), {key}. A
    parameter that has nothing to say is left out."""

    method: Literal["GET", "POST"] = Field(description="GET: parameters in the address; POST: as a JSON body.")
    path: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9_.-]+)+$")] = Field(description="Below base_url.")
    headers: Mapping[str, Word] = Field(
        default_factory=dict, description="Its key goes here: one in an address is logged."
    )
    parameters: Mapping[str, Any] = Field(description="What is asked, by the API's names.")
    freshness: Mapping[Literal["day", "week", "month", "year"], Word] = Field(
        default_factory=dict, description="The API's words for a limit of age; one that is not here can't be asked for."
    )
    most: int = Field(20, ge=1, le=100, description="Results that it gives at most.")

    @property
    def takes_domains(self) -> bool:
        """Whether domains are parameters of their own, and not words of the query."""
        return bool({"{include}", "{exclude}"} & set(map(str, self.parameters.values())))

    @model_validator(mode="after")
    def _keeps_the_key(self) -> SearchRequest:
        if "{key}" in str(dict(self.parameters)):
            raise ValueError("a key belongs to headers and not to parameters")
        if not any("{key}" in word for word in self.headers.values()):
            raise ValueError("no header has the {key}")
        if "{query}" not in map(str, self.parameters.values()):
            raise ValueError("no parameter is the {query}")
        return self


class SearchResults(Table):
    """Where an API's answer has its results: JMESPath to the list, and from one of its items to each field."""

    items: Word
    url: Word
    title: Word
    snippet: Word
    published: Word = Field("published", description="Where there is none, nothing is found there.")

    @model_validator(mode="after")
    def _reads(self) -> SearchResults:
        from jmespath import compile as expression  # noqa: PLC0415 - loaded where a manifest needs it, and not at the daemon's start
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

        for key, source in self:
            try:
                expression(source)
            except JMESPathError as error:
                raise ValueError(f"{key} is no JMESPath: {error}") from None
        return self


class Search(Manifest):
    """A provider of web search."""

    folder = "search"
    kind: Literal["search"]
    driver: Literal["searxng", "ddgs", "json"] = Field(description="How the provider is spoken to.")
    base_url: Annotated[str, StringConstraints(pattern=r"^(https://.+)?$")] = Field(
        "", description="Its address; empty where only the operator knows it."
    )
    engines: tuple[Word, ...] = Field((), description="For ddgs: the engines that it asks, in order.")
    request: SearchRequest | None = Field(None, description="For json: how it is asked.")
    results: SearchResults | None = Field(None, description="For json: how its answer reads.")

    @model_validator(mode="after")
    def _has_its_drivers_parts(self) -> Search:
        if bool(self.engines) != (self.driver == "ddgs"):
            raise ValueError("engines belong to the driver ddgs, which needs at least one")
        for part in (self.request, self.results):
            if (part is not None) != (self.driver == "json"):
                raise ValueError("request and results belong to the driver json, which needs both")
        if self.driver == "json" and not self.base_url:
            raise ValueError("the driver json needs a base_url")
        return self


Kind = Literal["linter", "runner", "language", "search"]
KINDS: Final[Mapping[str, type[Manifest]]] = {
    "linter": Linter,
    "runner": Runner,
    "language": Language,
    "search": Search,
}
M = TypeVar("M", bound=Manifest)


@dataclass(frozen=True, slots=True)
class Pack:
    """A folder that has both `tools/` and `resources/`."""

    root: Path

    @classmethod
    def find(cls) -> Pack:
        """The pack of this install, else of this checkout. Raises `Unavailable` where neither is whole: a fallback
        that does not fail would hide that it is missing."""
        package = Path(__file__).resolve().parent
        return cls.first((package / "_pack", package.parents[1]))

    @classmethod
    def first(cls, candidates: Sequence[Path]) -> Pack:
        """The first of `candidates` that has both folders; raises `Unavailable`."""
        for candidate in candidates:
            pack = cls(candidate)
            if pack.tools.is_dir() and pack.resources.is_dir():
                return pack
        where = " nor ".join(str(candidate) for candidate in candidates)
        raise Unavailable(f"neither {where} has tools/ and resources/", "install astro-mcp again", retryable=False)

    @property
    def tools(self) -> Path:
        return self.root / "tools"

    @property
    def resources(self) -> Path:
        return self.root / "resources"

    def modules(self) -> dict[str, bytes]:
        """The files that go into the sandbox beside a project, by name. Blocks: for worker threads."""
        files = (
            path for path in sorted((self.resources / "sandbox").iterdir()) if path.suffix in (".py", ".mjs", ".cjs")
        )
        return {path.name: path.read_bytes() for path in files}

    @overload
    def manifests(self, kind: Literal["linter"]) -> list[Linter]: ...
    @overload
    def manifests(self, kind: Literal["runner"]) -> list[Runner]: ...
    @overload
    def manifests(self, kind: Literal["language"]) -> list[Language]: ...
    @overload
    def manifests(self, kind: Literal["search"]) -> list[Search]: ...
    def manifests(self, kind: Kind) -> Sequence[Manifest]:
        """Every manifest of that kind, by name. Raises `InvalidInput` that names file and key. Reads a few small
        files: call it at start."""
        model = KINDS[kind]
        folder = self.tools / model.folder
        files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        return [read_manifest(path, model) for path in files]


def read_manifest(path: Path, model: type[M]) -> M:
    """One manifest; raises `InvalidInput` with the file and every wrong key of it."""
    if not path.name.endswith(SUFFIX):
        raise InvalidInput(f"{path}: a manifest's name ends in {SUFFIX}", "rename the file, or move it away")
    try:
        manifest = model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}", "a manifest is TOML in UTF-8") from None
    except ValidationError as error:
        raise _wrong(path, model, error) from None
    if path.name != manifest.name + SUFFIX:
        raise InvalidInput(f"{path}: name: is {manifest.name!r}", f"name the file {manifest.name}{SUFFIX}")
    return manifest


def _wrong(path: Path, model: type[Manifest], error: ValidationError) -> AstroError:
    known = [field.alias or name for name, field in model.model_fields.items()]
    problems = []
    for item in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "manifest"
        unknown = item["type"] == "extra_forbidden"
        suggestion = nearest(str(item["loc"][-1]), known) or "" if unknown else ""
        problems.append(Problem(key, "unknown key" if unknown else item["msg"], suggestion))
    first = problems[0]
    hint = (
        f"did you mean {first.suggestion}?"
        if first.suggestion
        else f"a {model.__name__.lower()} has: {', '.join(known)}"
    )
    return InvalidInput(f"{path}: {first.path}: {first.reason}", hint, problems=tuple(problems))
