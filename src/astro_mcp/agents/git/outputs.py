"""What the git tools give back."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Final

from pydantic import Field

from astro_mcp.core.model import Output, Page, Part
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.text import one_line

LISTED: Final = 100
"""Files of a commit that the text names."""


class StatusEntry(Part):
    """One path; `change` is git's letter (M A D R T, U for a conflict), `former` its name before a rename."""

    path: str
    change: str
    former: str = ""

    def line(self) -> str:
        former = f"{one_line(self.former)} -> " if self.former else ""
        return f"  {self.change} {former}{one_line(self.path)}"


class Status(Page):
    """`branch` is "" on a detached HEAD, `sha` "" before the first commit, `upstream` "" where there is none;
    `under_way` is what a person began and did not finish: a merge, rebase, cherry-pick, revert or bisect."""

    branch: str
    sha: str
    upstream: str
    ahead: int
    behind: int
    under_way: str | None = None
    staged: list[StatusEntry]
    unstaged: list[StatusEntry]
    conflicts: list[StatusEntry]
    untracked: list[str]

    def long_field(self) -> str:
        return max(("untracked", "unstaged", "staged", "conflicts"), key=lambda name: len(getattr(self, name)))

    def text(self) -> str:
        where = f"on branch {one_line(self.branch)}" if self.branch else f"detached HEAD at {self.sha[:12]}"
        if self.upstream:
            where += f", {self.ahead} ahead of and {self.behind} behind {one_line(self.upstream)}"
        lines = [where if self.sha else f"{where}, no commit yet"]
        if self.under_way:
            lines.append(f"a {self.under_way} is under way: a person finishes or aborts it with git")
        for title, entries in (("conflicts", self.conflicts), ("staged", self.staged), ("unstaged", self.unstaged)):
            if entries:
                lines += [f"{title}:", *(entry.line() for entry in entries)]
        if self.untracked:
            lines += ["untracked:", *(f"  {one_line(path)}" for path in self.untracked)]
        if not (self.conflicts or self.staged or self.unstaged or self.untracked):
            lines.append("nothing to commit, the working tree is clean")
        return "\n".join(lines)


class Commit(Part):
    """One commit of a log; the line counts of a merge are those against its first parent."""

    sha: str
    author: str
    date: str
    subject: str
    files_changed: int
    additions: int
    deletions: int


class Log(Page):
    """Newest first; `total` counts what matches, also past what is listed: where that takes long it is left out, and
    `at_least` so many match. `next_skip` tells where more begins."""

    paged: ClassVar[str | None] = "items"

    items: list[Commit]
    total: int | None = 0
    at_least: int | None = None
    next_skip: int | None = None
    note: str | None = None

    def text(self) -> str:
        rows = [
            f"{item.sha[:12]} {item.date[:10]} {one_line(item.author, 40)}: {one_line(item.subject, 200)}"
            f" ({item.files_changed} files, +{item.additions} -{item.deletions})"
            for item in self.items
        ]
        how = f"cursor {self.next_cursor}" if self.next_cursor else f"skip={self.next_skip}" if self.next_skip else ""
        total = f"at least {self.at_least}" if self.total is None else self.total
        more = [f"{len(rows)} of {total} commits; go on with {how}"] if how else []
        none = "no commit matches" if self.total == 0 else f"{total} commits match, and all are passed"
        return "\n".join(rows + more) or "; ".join(filter(None, (none, self.note)))


class DiffFile(Part):
    """One file; no line counts for a binary one. `modes`: where it has another mode, both. `withheld`: the secrets list
    keeps its text back."""

    path: str
    former: str = ""
    additions: int | None
    deletions: int | None
    modes: str | None = None
    withheld: bool = False

    @cached_property
    def line(self) -> str:
        """As text shows it: made once, however many pages are tried for the one that fits."""
        former = f"{one_line(self.former)} -> " if self.former else ""
        counts = "binary" if self.additions is None else f"+{self.additions} -{self.deletions}"
        modes = f", mode {self.modes}" if self.modes else ""
        return f"{former}{one_line(self.path)} {counts}{modes}{' (withheld)' if self.withheld else ''}"


class DiffHunk(Part):
    """A piece of a file's change: its `@@` line, then lines that begin with a space, + or -."""

    id: str
    path: str
    text: str

    @cached_property
    def shown(self) -> str:
        """As text shows it: made once, as `DiffFile.line` is."""
        return printable(self.text)


class Diff(Page):
    """`files` in git's order, then their hunks. A page of hunks has their files alone."""

    files: list[DiffFile]
    hunks: list[DiffHunk] = Field(default_factory=list)
    note: str | None = None

    def long_field(self) -> str:
        return "hunks" if self.hunks else "files"

    def goes_with(self, start: int, end: int) -> dict[str, Any]:
        return files_with(self.files, self.hunks, start, end)

    def text(self) -> str:
        lines = changed_lines(self.files, self.hunks, ids=True)
        if self.truncated and not self.next_cursor:
            lines.append("[not all of it: the patch is too long; name paths, or take stat_only]")
        lines += [] if lines else ["no difference"]
        return "\n".join([*lines, *([self.note] if self.note else [])])


def file_lines(files: list[DiffFile]) -> list[str]:
    return [file.line for file in files]


def changed_lines(files: list[DiffFile], hunks: list[DiffHunk], *, ids: bool = False) -> list[str]:
    """Each file, and beneath it those of its hunks that are here; with `ids` each says by which it is committed."""
    of: dict[str, list[str]] = {}
    for hunk in hunks:
        of.setdefault(hunk.path, []).append(f"[{hunk.id}] {hunk.shown}" if ids else hunk.shown)
    return [line for file in files for line in (file.line, *of.get(file.path, ()))]


def files_with(files: list[DiffFile], hunks: list[DiffHunk], start: int, end: int) -> dict[str, Any]:
    """The files of the hunks from `start` to `end`, and those without hunks that stand before the next page's."""
    places = {file.path: place for place, file in enumerate(files)}
    if not hunks or not all(hunk.path in places for hunk in hunks):  # a list of files may be cut
        return {}
    here = [places[hunk.path] for hunk in hunks[start:end]]
    first = min(here) if start else 0
    after = max(max(here) + 1, places[hunks[end].path]) if end < len(hunks) else len(files)
    return {"files": files[first:after]}


class BlameLine(Part):
    """A line and the commit that wrote it last."""

    line: int
    sha: str
    author: str
    date: str
    text: str


def _blame_lines(lines: list[BlameLine]) -> Iterator[str]:
    """Each run of lines beneath its commit, which is said in full once, with date and author."""
    said: set[str] = set()
    last = ""
    for item in lines:
        if item.sha != last:
            known = item.sha in said
            yield item.sha[:8] if known else f"{item.sha[:10]} {item.date[:10]} {one_line(item.author, 30)}"
            said.add(item.sha)
            last = item.sha
        yield f"{item.line}\t{printable(item.text)}"


class Shown(Page):
    """A commit; or, with a path, a file or folder as it was in it; or who wrote its lines."""

    sha: str
    author: str = ""
    date: str = ""
    parents: list[str] = Field(default_factory=list)
    message: str = ""
    files: list[DiffFile] = Field(default_factory=list)
    hunks: list[DiffHunk] = Field(default_factory=list)
    path: str = ""
    kind: str = "commit"
    start_line: int = 0
    total_lines: int = 0
    bytes: int = 0
    content: str = ""
    lines: list[BlameLine] = Field(default_factory=list)

    def long_field(self) -> str:
        if self.kind == "commit":
            return "hunks" if self.hunks else "files"
        return "lines" if self.lines else "content"

    def goes_with(self, start: int, end: int) -> dict[str, Any]:
        return files_with(self.files, self.hunks, start, end)

    def text(self) -> str:
        if self.kind == "commit":
            head = [f"commit {self.sha}", f"author {one_line(self.author)}", f"date {self.date}"]
            merge = self._merge() if len(self.parents) > 1 else []
            return "\n".join([*head, *merge, "", printable(self.message), "", *changed_lines(self.files, self.hunks)])
        if self.lines:
            return "\n".join(_blame_lines(self.lines))
        about = f"{one_line(self.path)} in {self.sha[:12]}: {self.kind}, {self.bytes} bytes"
        span = f", from line {self.start_line} of {self.total_lines}" if self.start_line > 1 else ""
        return f"{about}{span}\n{printable(self.content)}"

    def _merge(self) -> list[str]:
        """Its parents, and how to ask for what is told in full of other commits."""
        parents = [sha[:12] for sha in self.parents]
        return [f"merge of {' and '.join(parents)} (all hunks: git_diff from {parents[0]} to {self.sha[:12]})"]


class FoundKey(Part):
    """Something that looks like a key; its text is not handed on."""

    path: str
    line: int
    kind: str


class CommittedPath(Part):
    """A path of the commit: A added, M modified, D deleted, T another kind of file."""

    path: str
    change: str


class Committed(Output):
    """`sha` is "" for a dry run; `left_out` are repositories of their own inside of this one."""

    sha: str
    branch: str
    files: list[CommittedPath]
    secrets_found: list[FoundKey]
    left_out: list[str]

    def text(self) -> str:
        where = f" on {one_line(self.branch)}" if self.branch else " on a detached HEAD"
        lines = [f"{'committed ' + self.sha if self.sha else 'would commit'}{where}: {len(self.files)} files"]
        lines += [f"  {file.change} {one_line(file.path)}" for file in self.files[:LISTED]]
        if len(self.files) > LISTED:
            lines.append(f"  … and {len(self.files) - LISTED} more" + (": git_show tells all" if self.sha else ""))
        lines += [f"looks like a {key.kind}: {one_line(key.path)}:{key.line}" for key in self.secrets_found]
        lines += [f"left out: {one_line(path)} (a repository of its own)" for path in self.left_out]
        return "\n".join(lines)


class Step(Output):
    """What a step did to files, by their paths, and how it is taken back: all of it with git_undo, the files alone with
    fs_undo. Both are "" where nothing moved."""

    files: list[str] = Field(default_factory=list)
    recovery_ref: str = ""
    undo_id: str = ""

    def changed(self) -> str:
        files = f", {len(self.files)} files rewritten" if self.files else ""
        back = f"; back: git_undo recovery_ref={self.recovery_ref}" if self.recovery_ref else ""
        return files + back


class Branch(Step):
    """The branch, the commit it is at, the working tree it belongs to, and whether HEAD is on it now."""

    branch: str
    sha: str
    path: str
    current: bool

    def text(self) -> str:
        on = "is on it" if self.current else "stays on its branch"
        where = one_line(self.path)
        return f"branch {one_line(self.branch)} at {self.sha[:12]}; the working tree {where} {on}{self.changed()}"


class MergeConflict(Part):
    """A file that can't be merged, git's word for why, and the places, each between git's markers; `withheld`: the
    secrets list keeps them back."""

    path: str
    kind: str
    hunks: list[str]
    withheld: bool = False

    def lines(self) -> list[str]:
        return [f"--- {one_line(self.path)}: {one_line(self.kind)}", *map(printable, self.hunks)]


class MergePreview(Page):
    """`outcome` is up_to_date, fast_forward, merge or conflicts; `files` are what would change in `into`, in all
    `files_changed`. A page of conflicts has those that stand beside them alone."""

    outcome: str
    from_sha: str
    into_sha: str
    files_changed: int
    conflicts: list[MergeConflict]
    files: list[DiffFile]

    def long_field(self) -> str:
        return "conflicts" if self.conflicts else "files"

    def goes_with(self, start: int, end: int) -> dict[str, Any]:
        if not self.conflicts:
            return {}
        names = [file.path for file in self.files]
        first = bisect_left(names, self.conflicts[start].path) if start else 0
        after = bisect_left(names, self.conflicts[end].path) if end < len(self.conflicts) else len(names)
        return {"files": self.files[first:after]}

    def text(self) -> str:
        lines = [f"{self.outcome} of {self.from_sha[:12]} into {self.into_sha[:12]}: {self.files_changed} files change"]
        conflicts = [line for item in self.conflicts for line in item.lines()]
        return "\n".join([*lines, *conflicts, *file_lines(self.files)])


class Merged(Step):
    """The branch ("" for a detached HEAD), the commit it is at now, and how it came there."""

    branch: str
    sha: str
    outcome: str

    def text(self) -> str:
        return f"{one_line(self.branch) or 'HEAD'} at {self.sha[:12]}: {self.outcome}{self.changed()}"


class Undone(Step):
    """The commit before the undoing and after it, of `branch` or, where HEAD went back, of HEAD."""

    branch: str
    before: str
    after: str

    def text(self) -> str:
        return f"{one_line(self.branch) or 'HEAD'} from {self.before[:12]} back to {self.after[:12]}{self.changed()}"
