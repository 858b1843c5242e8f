"""What all manifests share: the words that they are made of, and what each of them says."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from astro_mcp.report_formats import Table

PATHS: Final = "{paths}"
"""The element of `argv` that the paths take the place of."""
REPORT: Final = "{report}"
"""Stands in `argv` for the file that the report goes to, where it does not go to stdout."""

Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Requirement = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?([<>=!~]=?.+)?$")
]
DebianName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]{1,99}$")]
LanguageName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+#-]{0,39}$")]
WorkspaceFile = Annotated[str, StringConstraints(pattern=r"^\.?[A-Za-z0-9_][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$")]
NpmRequirement = Annotated[str, StringConstraints(pattern=r"^(@[a-z0-9-][a-z0-9._-]*/)?[a-z0-9-][a-z0-9._-]*@.+$")]
NpmName = Annotated[str, StringConstraints(pattern=r"^(@[a-z0-9-][a-z0-9._-]*/)?[a-z0-9-][a-z0-9._-]*$")]


class Manifest(Table):
    """What every manifest says, whatever it adds."""

    folder: ClassVar[str]
    schema_: Literal[1] = Field(alias="schema", description="The version of this format.")
    kind: str
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")] = Field(
        description="The file's name without its suffix."
    )
    install_hint: str = Field(min_length=1, description="What a person does where the tool is missing.")
