"""What the artifacts tools take and give."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field

from astro_mcp.core.model import Input, Output
from astro_mcp.core.resource import Reading


class ReadUriInput(Input):
    uri: str = Field(max_length=8192, description="Any astro:// URI")
    find: str | None = Field(None, min_length=1, max_length=1000, description="Only lines that hold this, any case")


class ReadUriOutput(Reading):
    """The field is `content` here since `text` names the text form; outside it is `text`. `total` is in characters of
    the whole, or in bytes where it is no text."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )
    paged: ClassVar[str | None] = "content"

    mime: str
    total: int
    hits: int | None = None
    content: str = Field("", alias="text")

    def text(self) -> str:
        return self.content + (f"\n[cut; go on with cursor {self.next_cursor}]" if self.next_cursor else "")


class SaveInput(Input):
    uri: str = Field(description="astro://artifacts/{sha256}, as results name it")
    path: str = Field(description="Where; a file there is replaced")
    if_match: str | None = Field(None, description="sha256 that a file there must have")


class SaveOutput(Output):
    path: str
    sha256: str
    bytes: int
    undo_id: str

    def text(self) -> str:
        done = f"undo_id {self.undo_id}" if self.undo_id else "it was so already; nothing to undo"
        return f"saved {self.path} | {self.bytes:,} bytes | sha256 {self.sha256} | {done}"
