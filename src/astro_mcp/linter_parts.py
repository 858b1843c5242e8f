"""Parts of a linter's manifest."""

from __future__ import annotations

from pydantic import Field

from astro_mcp.manifest import PATHS, Glob, WorkspaceFile
from astro_mcp.report_formats import Table, Word


class ByFile(Table):
    """For a linter whose findings in a file hang on that file, the names of the others and its settings, and on nothing
    else: it is asked about the files that changed alone."""

    argv: tuple[Word, ...] = Field(
        min_length=1,
        description=f"Program and arguments, no shell, that print the files it looks at in {PATHS}, one a line.",
    )


class Defaults(Table):
    """For a linter that reads another program's settings and has stricter defaults than that: a project that has those
    settings, and nothing that is the linter's own, is looked at as the other would."""

    settings: tuple[Glob, ...] = Field(min_length=1, description="Settings files at the top; the first counts.")
    own: Word = Field(description="A word that stands in the project's files where it uses the linter itself.")
    said: tuple[Word, ...] = Field(description="Words of the settings with which nothing is left to defaults.")
    moved: WorkspaceFile = Field(description="Where settings lie whose place `file` takes.")
    file: WorkspaceFile = Field(description="The settings that it is given.")
    text: str = Field(description="Their text; {settings} stands for the project's own.")
