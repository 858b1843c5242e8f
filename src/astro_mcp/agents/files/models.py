"""What the files tools take and give."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from astro_mcp.core.model import Input, Listing, Output, Page, Part, Strings
from astro_mcp.workspace.text import one_line

ID = r"^[A-Za-z0-9_.-]{1,100}$"
MATCH = "sha256 that the file must have, else conflict"
PATHS = 50
"""Files read in one call."""
EDITS = 200
NO_FIT = "no file fits the glob, which starts at path"


def _few(value: Any) -> Any:
    """Refuse a long list before each of its items is looked at."""
    if isinstance(value, list) and len(value) > PATHS:
        raise PydanticCustomError("too_long", f"{PATHS} files are read at once: make several calls")
    return value


class ReadInput(Input):
    path: str | None = Field(None, description="A file")
    paths: Annotated[Strings, BeforeValidator(_few)] | None = Field(None, description="Instead of path")
    start_line: int = Field(1, ge=1, description="First line, from 1")
    max_lines: int | None = Field(None, ge=1, description="Of each file, at most")


class FileFacts(Part):
    """One file of several: what it is, or why it could not be read."""

    path: str
    kind: str = ""
    bytes: int | None = None
    encoding: str | None = None
    eol: str | None = None
    total_lines: int | None = None
    sha256: str | None = None
    error: str | None = None


class ReadOutput(Page):
    """The field is `content` here since `text` names the text form; outside it is `text`."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )
    paged: ClassVar[str | None] = "content"

    path: str | None = None
    kind: str | None = None
    encoding: str | None = None
    eol: str | None = None
    total_lines: int | None = None
    sha256: str | None = None
    bytes: int | None = None
    files: list[FileFacts] | None = None
    note: str | None = None
    content: str = Field("", alias="text")

    def text(self) -> str:
        more = f"\n[cut; go on with cursor {self.next_cursor}]" if self.next_cursor else ""
        if self.files is not None:
            return self.content + more
        return f"{self._header()}\n{self.content}{more}"

    def _header(self) -> str:
        facts = [one_line(self.path or ""), self.note, f"{self.bytes:,} bytes" if self.bytes is not None else None]
        facts += [f"{self.total_lines} lines" if self.total_lines is not None else None, self.encoding, self.eol]
        facts.append(f"sha256 {self.sha256}")
        return " | ".join(fact for fact in facts if fact)


class ListInput(Input):
    path: str | None = Field(None, description="A folder; none: the workspace roots")
    depth: int | None = Field(None, ge=1, le=50, description="Levels; default 2, or all with a glob")
    glob: str | None = Field(None, description="As in .gitignore: *.py, src/**/*.md")
    include_ignored: bool = Field(False, description="Also what .gitignore hides")


class ListItem(Part):
    """`entries` is of a folder that was counted and not listed."""

    path: str
    type: str
    bytes: int | None = None
    mtime: str
    entries: int | None = None


class ListOutput(Listing):
    items: list[ListItem]
    note: str | None = None

    @property
    def collapsed(self) -> list[ListItem]:
        """The folders that were counted and not listed."""
        return [item for item in self.items if item.entries is not None]

    def text(self) -> str:
        lines = [_list_line(item) for item in self.items]
        shown = "" if len(self.items) == self.total else f"{len(self.items)} of "
        lines.append(f"{shown}{self.total} entries" + (f"; {self.note}" if self.note else ""))
        if self.next_cursor:
            lines.append(f"[cut; go on with cursor {self.next_cursor}]")
        return "\n".join(lines)


def _list_line(item: ListItem) -> str:
    shown = one_line(item.path)
    if item.entries is not None:
        return f"{shown}/ … {item.entries} entries, not listed  {item.mtime}"
    if item.type == "folder":
        return f"{shown}/  {item.mtime}"
    kind = "" if item.type == "file" else f"  {item.type}"
    return f"{shown}{kind}  {item.bytes:,} B  {item.mtime}"


class SearchInput(Input):
    pattern: str = Field(min_length=1, max_length=2000, description="Text to find, case-sensitive")
    path: str | None = Field(None, description="A folder or file; none: every root")
    glob: str | None = Field(None, description="As in .gitignore: *.py, src/**/*.md")
    regex: bool = Field(False, description="pattern is RE2; (?i) ignores case")
    context: int = Field(0, ge=0, le=20, description="Lines around each hit")


class SearchItem(Part):
    path: str
    line: int
    column: int
    text: str
    before: list[str] | None = None
    after: list[str] | None = None


class SearchOutput(Listing):
    items: list[SearchItem]
    searched: int
    skipped: int
    note: str | None = None

    def text(self) -> str:
        lines: list[str] = []
        for item in self.items:
            before, after = item.before or [], item.after or []
            first, shown = item.line - len(before), one_line(item.path)
            lines += [f"{shown}-{first + n}- {row}" for n, row in enumerate(before)]
            lines.append(f"{shown}:{item.line}:{item.column}: {item.text}")
            lines += [f"{shown}-{item.line + 1 + n}- {row}" for n, row in enumerate(after)]
            lines += ["--"] if before or after else []
        part = "" if len(self.items) == self.total else f"{len(self.items)} of "
        summary = f"{part}{self.total} lines in {self.searched} files searched"
        summary += f", {self.skipped} over 4 MB skipped" if self.skipped else ""
        lines.append(summary + (f"; {self.note}" if self.note else ""))
        if self.next_cursor:
            lines.append(f"[cut; go on with cursor {self.next_cursor}]")
        return "\n".join(lines)


class WriteInput(Input):
    path: str = Field(description="The file; folders are made")
    if_match: str | None = Field(None, description=MATCH)
    create_only: bool = Field(False, description="Fail where the file exists")
    content: str = Field(description="All of it, as UTF-8")


class WriteOutput(Output):
    path: str
    sha256: str
    bytes: int
    undo_id: str

    def text(self) -> str:
        done = f"undo_id {self.undo_id}" if self.undo_id else "it was so already; nothing to undo"
        return f"wrote {one_line(self.path)} | {self.bytes:,} bytes | sha256 {self.sha256} | {done}"


class Edit(Input):
    path: str = Field(description="The file")
    count: int = Field(1, ge=0, description="How often old stands there; 0: any")
    old: str = Field(description="The exact text, white space included")
    new: str = Field(description="What stands there then")


def _edits(value: Any) -> Any:
    """A list; one edit, or either as JSON text, is accepted too."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    if isinstance(value, list) and len(value) > EDITS:
        raise PydanticCustomError("too_long", f"{EDITS} edits are made at once: make several calls")
    return [value] if isinstance(value, dict) else value


class EditInput(Input):
    if_match: str | None = Field(None, description=f"With one file: {MATCH}")
    dry_run: bool = Field(False, description="Only show the diff")
    edits: Annotated[list[Edit], BeforeValidator(_edits)] = Field(
        min_length=1, max_length=EDITS, description="Done in order, all or none"
    )


class FileDigest(Part):
    path: str
    sha256: str | None = None


class ChangeOutput(Output):
    """Files after a change, and the diff."""

    files: list[FileDigest]
    undo_id: str | None = None
    diff: str

    def text(self) -> str:
        lines = [f"{one_line(file.path)} | {f'sha256 {file.sha256}' if file.sha256 else 'gone'}" for file in self.files]
        lines.insert(0, f"done | undo_id {self.undo_id}" if self.undo_id else "nothing was changed")
        return "\n".join([*lines, self.diff])


class MoveInput(Input):
    path: str = Field(description="A file or folder")
    to: str = Field(description="Its new path, where nothing is")
    if_match: str | None = Field(None, description=MATCH)


class MoveOutput(Output):
    path: str
    to: str
    undo_id: str

    def text(self) -> str:
        return f"moved {one_line(self.path)} to {one_line(self.to)} | undo_id {self.undo_id}"


class DeleteInput(Input):
    path: str = Field(description="A file or folder")
    if_match: str | None = Field(None, description=MATCH)


class DeleteOutput(Output):
    path: str
    files: int
    undo_id: str

    def text(self) -> str:
        return f"deleted {one_line(self.path)} ({self.files} files) | undo_id {self.undo_id} brings it back"


class UndoInput(Input):
    undo_id: str | None = Field(None, pattern=ID, description="The change to take back")
    run_id: str | None = Field(None, pattern=ID, description="Or: every change of this run")
    last: bool = Field(False, description="Or: the last one not undone yet")
    dry_run: bool = Field(False, description="Only show the diff")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """`last` in place of an id is the argument of that name."""
        if isinstance(given, dict) and given.get("undo_id") == "last":
            return {**given, "undo_id": None, "last": True}
        return given
