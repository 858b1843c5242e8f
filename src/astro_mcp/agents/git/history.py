"""Reading the log."""

from __future__ import annotations

import re
import secrets
from typing import Final

from astro_mcp.agents.git.inputs import LogInput
from astro_mcp.agents.git.outputs import Commit, Log
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import commit_of

LISTED: Final = 500
"""Commits that one log lists: each costs git a diff."""
_COUNTS: Final = re.compile(r"(\d+) (file|insertion|deletion)")


async def log(repository: Repository, args: LogInput) -> Log:
    """The commits that match, with what each changed."""
    if args.ref == "HEAD" and not repository.refs.sha:
        return Log(items=[])
    sha = await commit_of(repository, args.ref)
    filters = ["--fixed-strings", "--regexp-ignore-case"]
    filters += [f"--author={args.author}"] if args.author else []
    filters += [f"--grep={args.grep}"] if args.grep else []
    filters += [f"--since={args.since}"] if args.since else []
    inside = repository.inside(args.path) if args.path else ""
    span = ["--end-of-options", sha, "--", *([inside] if inside else [])]
    total = int((await repository.git("rev-list", "--count", *filters, *span)).out)
    mark = secrets.token_hex(12)  # no message can hold it, so records can't be forged
    ran = await repository.git(
        "log",
        *filters,
        f"--max-count={LISTED}",
        f"--format={mark}%H%x00%an%x00%aI%x00%s",
        "--shortstat",
        "--diff-merges=first-parent",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--ignore-submodules=all",
        *span,
    )  # fmt: skip - one flag after another
    records = ran.out.decode("utf-8", "replace").split(mark)[1:]
    items = [_commit(record) for record in (records[:-1] if ran.cut else records)]
    return Log(items=items, total=total, truncated=total > len(items))


def _commit(record: str) -> Commit:
    sha, author, date, rest = record.split("\0", 3)
    subject, _, tail = rest.partition("\n")
    counts = {word: int(number) for number, word in _COUNTS.findall(tail)}
    return Commit(
        sha=sha,
        author=author,
        date=date,
        subject=subject,
        files_changed=counts.get("file", 0),
        additions=counts.get("insertion", 0),
        deletions=counts.get("deletion", 0),
    )
