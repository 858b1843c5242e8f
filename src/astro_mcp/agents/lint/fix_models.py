"""What `lint_fix` takes and gives."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from astro_mcp.agents.lint.models import FailedTool, MissingTool
from astro_mcp.core.model import Input, Page, Part, Strings


class FixInput(Input):
    paths: Strings = Field(default_factory=list, max_length=500, description="None: the whole root.")
    tools: Strings = Field(default_factory=list, max_length=50, description="By name; none: all that fit.")
    apply: bool = Field(False, description="Else the diff is only shown.")
    if_match: str | None = Field(None, description="That of the diff that was shown.")


class FixedFile(Part):
    path: str
    sha256: str


class FixOutput(Page):
    """Findings are counted over the linters that ran, before and after."""

    paged: ClassVar[str | None] = "diff"

    files: list[FixedFile] = Field(description="What is changed, with its sha256 afterwards.")
    fixed: int = Field(description="Findings that are gone with the diff.")
    remaining: int = Field(description="Findings that stay.")
    if_match: str = Field(description="Stands for this very diff.")
    undo_id: str | None = None
    tools_run: list[str]
    missing_tools: list[MissingTool] = Field(default_factory=list)
    failed_tools: list[FailedTool] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list, description="Files that are not touched, and why.")
    diff: str

    def text(self) -> str:
        done = f"applied; undo_id {self.undo_id}" if self.undo_id else f"not applied; if_match {self.if_match}"
        ran = ", ".join(self.tools_run) or "no linter"
        lines = [f"{self.fixed} findings fixed in {len(self.files)} files by {ran}, {self.remaining} stay; {done}"]
        lines += [missing.text() for missing in self.missing_tools]
        lines += [failed.text() for failed in self.failed_tools]
        lines += [f"left out: {entry}" for entry in self.left_out]
        more = f"\n[cut; go on with cursor {self.next_cursor}]" if self.next_cursor else ""
        return "\n".join([*lines, self.diff]) + more
