"""What `lint_check` takes and gives."""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from astro_mcp.core.model import Input, Listing, Strings
from astro_mcp.packs import Severity


class CheckInput(Input):
    paths: Strings = Field(default_factory=list, max_length=500, description="None: the whole root.")
    tools: Strings = Field(default_factory=list, max_length=50, description="By name; none: all that fit.")
    since_ref: str | None = Field(None, max_length=250, description="Only what is new since this commit.")
    min_severity: Severity = Field("info", description="None below this.")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Finding(Part):
    """One finding. `line` and `column` count from 1; 0 where the tool names none."""

    tool: str
    rule: str
    file: str
    line: int
    column: int
    severity: Severity
    message: str
    fixable: bool
    new: bool | None = None
    """Whether it was not there at `since_ref`; None where nothing was compared."""

    def text(self) -> str:
        fix = " (fixable)" if self.fixable else ""
        return f"{self.file}:{self.line}:{self.column} {self.severity} {self.tool} {self.rule} {self.message}{fix}"


class MissingTool(Part):
    """A linter that should have run and could not be had."""

    tool: str
    reason: str
    install_hint: str

    def text(self) -> str:
        return f"MISSING {self.tool}: {self.reason}\n  {self.install_hint}"


class FailedTool(Part):
    """A linter that ran and gave no report: usually its settings in the project are wrong."""

    tool: str
    exit_code: int
    message: str

    def text(self) -> str:
        return f"FAILED {self.tool} (exit {self.exit_code}): {self.message}"


class CheckOutput(Listing):
    """Findings are a result and no error. What did not run is told, so that silence means clean."""

    items: list[Finding]
    tools_run: list[str] = Field(description="Linters whose report is in items.")
    missing_tools: list[MissingTool] = Field(default_factory=list)
    failed_tools: list[FailedTool] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list, description="Files not taken along, and why.")
    known: int | None = Field(None, description="Findings that were there at since_ref, and are not in items.")
    sarif_uri: str = Field("", description="All findings as SARIF 2.1.0.")

    def text(self) -> str:
        ran = ", ".join(self.tools_run) or "no linter"
        fixable = sum(item.fixable for item in self.items)
        new = "" if self.known is None else f" that are new, and {self.known} that are not,"
        lines = [
            f"{self.total} findings{new} by {ran}" + (f"; {fixable} of those below are fixable" if fixable else "")
        ]
        lines += [missing.text() for missing in self.missing_tools]
        lines += [failed.text() for failed in self.failed_tools]
        lines += [item.text() for item in self.items]
        rules = Counter(f"{item.tool} {item.rule}" for item in self.items).most_common(10)
        if len(self.items) > 20:
            lines.append("most often: " + ", ".join(f"{count} {rule}" for rule, count in rules))
        lines += [f"left out: {entry}" for entry in self.left_out]
        lines += [f"SARIF: {self.sarif_uri}"] if self.sarif_uri else []
        return "\n".join(lines)
