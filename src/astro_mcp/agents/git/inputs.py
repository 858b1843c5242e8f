"""What the git tools take."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from astro_mcp.core.model import Input, Strings


class OfRepository(Input):
    """Every git tool names its repository."""

    repo: str = Field(".", description="Its folder")


class StatusInput(OfRepository):
    """Of `git_status`."""


class LogInput(OfRepository):
    """Of `git_log`."""

    ref: str = Field("HEAD", description="Branch, tag, sha or main..fix.")
    path: str | None = Field(None, description="Touching this.")
    author: str | None = Field(None, max_length=200, description="In name or address.")
    grep: str | None = Field(None, max_length=200, description="In the message.")
    since: str | None = Field(None, pattern=r"^[\w .:+/-]{1,60}$", description="2026-01-31, 2 weeks ago.")
    limit: int = Field(500, ge=1, le=1000, description="At most.")
    skip: int = Field(0, ge=0, description="Newest to skip.")


class DiffInput(OfRepository):
    """Of `git_diff`."""

    from_: str = Field("HEAD", alias="from", description="Branch, tag, sha or `index`.")
    to: str = Field("worktree", description="Also `worktree`.")
    paths: Strings = Field([], description="Only these.")
    stat_only: bool = Field(False, description="Line counts, no text.")


class ShowInput(OfRepository):
    """Of `git_show`."""

    ref: str = Field("HEAD", description="Branch, tag, sha or HEAD~2.")
    path: str | None = Field(None, description="A file; none: the commit itself.")
    blame: bool = Field(False, description="Who wrote each line last.")
    start_line: int = Field(1, ge=1, description="First line.")
    end_line: int | None = Field(None, ge=1, description="Last line.")


class CommitInput(OfRepository):
    """Of `git_commit`."""

    paths: Strings = Field([], description="Files or folders; none: all that changed.")
    hunk_ids: Strings = Field([], description="Hunks of git_diff, in place of paths.")
    dry_run: bool = Field(False, description="Only tell what would be.")
    message: str = Field(min_length=1, max_length=65_536, pattern=r"\S", description="Its message.")


class BranchInput(OfRepository):
    """Of `git_branch`."""

    action: Literal["create", "switch", "worktree", "close"] = Field("create", description="switch: go on it.")
    name: str = Field(description="As in fix/login.")
    from_: str = Field("HEAD", alias="from", description="Where a new one starts.")


class PreviewInput(OfRepository):
    """Of `git_merge_preview`."""

    from_: str = Field(alias="from", description="A branch, tag or sha.")
    into: str = Field("HEAD", description="A branch, tag or sha.")


class MergeInput(OfRepository):
    """Of `git_merge`."""

    from_: str = Field(alias="from", description="A branch, tag or sha.")
    into: str = Field("HEAD", description="A branch.")


class UndoInput(OfRepository):
    """Of `git_undo`."""

    recovery_ref: str = Field(max_length=100, description="As it was told.")
