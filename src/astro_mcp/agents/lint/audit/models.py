"""What `lint_audit` takes and gives."""

from __future__ import annotations

from pydantic import Field

from astro_mcp.agents.lint.audit.severity import Word
from astro_mcp.core.model import Input, Listing, Part
from astro_mcp.workspace.text import one_line


class AuditInput(Input):
    path: str = Field(".", description="A lock file, or a folder that has some.")


class AuditItem(Part):
    """One advisory of one locked package. `advisory` and `summary` are what strangers wrote."""

    package: str
    version: str
    ecosystem: str
    advisory: str
    aliases: list[str]
    severity: Word
    fixed_in: str = Field(description="The next version without it; empty where none is named.")
    summary: str
    files: list[str]

    def text(self) -> str:
        mended = f"fixed in {self.fixed_in}" if self.fixed_in else "no fix is named"
        also = f" ({', '.join(self.aliases)})" if self.aliases else ""
        where = ", ".join(map(one_line, self.files))
        return (
            f"{self.severity} {self.package} {self.version}: {self.advisory}{also}, {mended}; {where}: {self.summary}"
        )


class AuditOutput(Listing):
    """Advisories are a result and no error; what was not checked is told, so that silence means that none is known."""

    items: list[AuditItem]
    checked: int = Field(description="Packages in one version each that were looked up.")
    files: list[str] = Field(description="Lock files that were read.")
    unchecked: list[str] = Field(default_factory=list, description="What was not checked, and why.")

    def text(self) -> str:
        packages = len({(item.ecosystem, item.package, item.version) for item in self.items})
        head = (
            f"{self.total} advisories for {packages} of {self.checked} packages in {', '.join(self.files) or 'no file'}"
        )
        lines = [head, *(item.text() for item in self.items)]
        lines += [f"not checked: {line}" for line in self.unchecked]
        return "\n".join(lines)
