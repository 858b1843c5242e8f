"""What the tools of git remotes take and give."""

from __future__ import annotations

from pydantic import BaseModel, Field

from astro_mcp.core.model import Input, Output
from astro_mcp.workspace.text import one_line

LISTED = 500
"""Refs and files that a result lists of each kind."""


class FetchInput(Input):
    """Of `git_fetch`."""

    repo: str = Field(".", description="Its folder.")
    remote: str = Field("origin", max_length=60, description="Its name.")
    url: str | None = Field(None, max_length=2000, description="Where the repository does not say it.")
    branch: str | None = Field(None, max_length=250, description="Only this; none: all.")
    tags: bool = Field(False, description="New tags too.")


class PushInput(Input):
    """Of `git_push`."""

    repo: str = Field(".", description="Its folder.")
    remote: str = Field("origin", max_length=60, description="Its name.")
    branch: str | None = Field(None, max_length=250, description="None: the one that HEAD is on.")


class CloneInput(Input):
    """Of `git_clone`."""

    url: str = Field(max_length=2000, description="As https://github.com/owner/name.git.")
    path: str = Field(description="The new folder.")
    branch: str | None = Field(None, max_length=250, description="Only this; none: all, the main one checked out.")


class MovedRef(BaseModel):
    """A ref that moved; `before` is "" for a new one. `recovery_ref` is there where it went by force."""

    ref: str
    before: str
    after: str
    recovery_ref: str = ""

    def line(self) -> str:
        back = f"; by force, back: git_undo recovery_ref={self.recovery_ref}" if self.recovery_ref else ""
        return f"  {one_line(self.ref)} {self.before[:12] or 'new'} → {self.after[:12]}{back}"


class Aside(BaseModel):
    """What was left as it is, or was left out, and why."""

    name: str
    reason: str

    def line(self) -> str:
        return f"  {one_line(self.name)}: {one_line(self.reason)}"


class Fetched(Output):
    """`updated` and `kept` list 500 at most; the counts are of all. `odd_names` are the host's that no ref can have."""

    url: str
    received_bytes: int
    updated: list[MovedRef]
    updated_count: int
    kept: list[Aside]
    kept_count: int
    odd_names: int

    def text(self) -> str:
        lines = [f"{self.updated_count} refs moved, {self.received_bytes:,} bytes from {one_line(self.url)}"]
        lines += [one.line() for one in self.updated]
        lines += [f"{self.kept_count} stay as they are"] if self.kept else []
        lines += [one.line() for one in self.kept]
        return "\n".join(lines)


class Pushed(Output):
    """Where the host's branch was ("" for a new one) and is; `host_says` is the host's own words."""

    url: str
    ref: str
    before: str
    after: str
    commits: int
    host_says: list[str]

    def text(self) -> str:
        if self.before == self.after:
            return f"{one_line(self.ref)} is at {self.after[:12]} there already"
        first = f"{one_line(self.ref)} {self.before[:12] or 'new'} → {self.after[:12]}, {self.commits} commits pushed"
        return "\n".join([f"{first} to {one_line(self.url)}", *(f"the host says: {line}" for line in self.host_says)])


class Cloned(Output):
    """`left_out` are files that a person would have to approve (500 at most; `left_out_count` is all of them)."""

    path: str
    url: str
    branch: str
    sha: str
    files: int
    received_bytes: int
    left_out: list[Aside]
    left_out_count: int

    def text(self) -> str:
        lines = [f"{one_line(self.path)}: {self.files} files of {one_line(self.branch)} at {self.sha[:12]}"]
        if self.left_out:
            hint = f"git -C {one_line(self.path)} sparse-checkout disable"
            lines.append(f"{self.left_out_count} files were not written; a person brings them: {hint}")
        return "\n".join([*lines, *(one.line() for one in self.left_out)])
