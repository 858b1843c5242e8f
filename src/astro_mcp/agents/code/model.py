"""What `code_run` takes and gives."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from astro_mcp.core.model import Document, Input, Output, Strings


class CodeInput(Input):
    # A string and no enum: aliases are taken, a wrong name gets the nearest right one instead of a host's own refusal,
    # and the list of tools, which hosts cache, is the same whatever a pack adds.
    language: str = Field("python", description="python, shell, javascript, typescript, c, cpp, rust …")
    paths: Strings = Field(default_factory=list, max_length=100, description="Copied in; `.` is everything.")
    packages: Strings = Field(
        default_factory=list,
        max_length=50,
        description="`pandas>=2,<3` (PyPI); `lodash@^4` (npm).",
    )
    project: str = Field("", description="A folder whose lock files name packages.")
    session: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9_.-]{0,39})?$",
        description="Python: keeps variables and files for its next call.",
    )
    end_session: bool = Field(False, description="Its last call; empty code ends it now.")
    timeout: float = Field(60, gt=0, le=3600, description="Seconds.")
    input: Document | None = Field(None, description="Python: JSON; the code finds it parsed, as INPUT.")
    stdin: str = Field("", description="Its standard input.")
    code: str = Field(description="The program.")


class Artifact(BaseModel):
    """A file that the code wrote to ./out."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    name: str
    uri: str
    mime: str
    bytes: int

    def line(self) -> str:
        return f"{self.name} · {self.mime} · {self.bytes:,} bytes · {self.uri}"


class Reached(BaseModel):
    """What went between the code and one host and port, in bytes; `refused` is why, where it was."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    to: str
    connections: int
    sent: int
    received: int
    refused: str

    def line(self) -> str:
        what = f"refused: {self.refused}" if self.refused else f"{self.sent:,} bytes out, {self.received:,} in"
        return f"{self.to} · {self.connections} connections · {what}"


class CodeOutput(Output):
    """`result` is JSON where the value can be written so, else its repr; `withheld` was not copied in or out;
    `session_ended` is there where a session was asked for. `built` is there where the language is compiled: false where
    the program could not be made, and exit code and stderr are the compiler's. `egress` is there where the operator
    opened hosts and the code asked for one."""

    exit_code: int
    stdout: str
    stderr: str
    result: str | None = None
    artifacts: list[Artifact] = Field(default_factory=list)
    limits_hit: list[str] = Field(default_factory=list)
    withheld: list[str] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list, description="Of project: what was not installed, and why.")
    session_ended: bool | None = None
    built: bool | None = None
    egress: list[Reached] | None = None
    queued_ms: float
    run_ms: float

    def text(self) -> str:
        parts = [f"exit {self.exit_code} · ran {self.run_ms:.0f} ms after {self.queued_ms:.0f} ms"]
        if self.built is False:
            parts.append("not built: exit code and stderr are the compiler's, and nothing ran")
        if self.limits_hit:
            parts.append(f"limits hit: {', '.join(self.limits_hit)}")
        if self.session_ended:
            parts.append("the session ended: its variables and files are gone")
        if self.withheld:
            parts.append(f"withheld: {', '.join(self.withheld)}")
        parts += [f"left out: {entry}" for entry in self.left_out]
        parts += [f"egress: {one.line()}" for one in self.egress or ()]
        if self.result is not None:
            parts.append(f"result: {self.result}")
        if self.stdout:
            parts.append(f"stdout:\n{self.stdout.rstrip()}")
        if self.stderr:
            parts.append(f"stderr:\n{self.stderr.rstrip()}")
        parts += [f"artifact: {artifact.line()}" for artifact in self.artifacts]
        return "\n".join(parts)
