"""Reading the log."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Final

from astro_mcp.agents.git.absent import absent
from astro_mcp.agents.git.inputs import LogInput
from astro_mcp.agents.git.outputs import Commit, Log
from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.git.logged import Logged, is_near, listed, logged, look_at_head
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import commit_of

_NOW: Final = re.compile(r"\bnow\b|^0\b", re.IGNORECASE)
_SHORT: Final = re.compile(r"\d+[ .]?(?:s|secs?|m|mins?|h|hrs?|d|w|wks?|mos?|y|yrs?)\b", re.IGNORECASE)
"""Units that git does not know, so that `7d` is the 7th to it."""


async def log(repository: Repository, args: LogInput) -> Log:
    """The commits that match, with what each changed."""
    head = repository.refs.sha if args.ref == "HEAD" else ""
    if args.ref == "HEAD" and not head:
        return Log(items=[])
    await repository.not_too_old()
    sha, without = await _span(repository, args.ref, head)
    for name, text in (("author", args.author), ("grep", args.grep)):
        if text and "\n" in text:
            raise InvalidInput(f"{name} is looked for within a line", "take one line of it")
    filters = [f"--author={args.author}"] if args.author else []
    filters += [f"--grep={args.grep}"] if args.grep else []
    filters = ["--fixed-strings", "--regexp-ignore-case", *filters] if filters else []
    filters += [await _since(repository, args.since)] if args.since else []
    filters += [f"^{without}"] if without else []
    inside = repository.inside(args.path) if args.path else ""
    found = await listed(repository, sha, filters, inside, range(args.skip, args.skip + args.limit))
    items = [_commit(one) for one in await logged(repository, found.shas, inside)]
    if head:
        repository.follow_head(partial(look_at_head, repository))
    after = args.skip + len(found.shas)
    note = None
    if inside and not items and not args.skip:
        note = await absent(repository, [inside], [sha], tree=False)
    more = bool(found.shas) and found.count > after
    total, least = (found.count, None) if found.whole else (None, found.count)
    return Log(items=items, total=total, at_least=least, truncated=more, next_skip=after if more else None, note=note)


async def _span(repository: Repository, ref: str, head: str) -> tuple[str, str]:
    """The commit that `ref` names; of `a..b` that is b, and beside it a, whose history is left out."""
    if head and await is_near(repository, head):
        return head, ""
    first, dots, last = ref.partition("..")
    if not dots or last.startswith("."):
        return await commit_of(repository, ref), ""
    return await commit_of(repository, last or "HEAD"), await commit_of(repository, first or "HEAD")


async def _since(repository: Repository, date: str) -> str:
    """Git's option for it. Git takes what it does not understand for now, since when there are no commits."""
    before = int(time.time())
    told = (await repository.git("rev-parse", f"--since={date}", history=True)).out.decode().strip()
    is_now = before <= int(told.removeprefix("--max-age=")) <= time.time()
    if (is_now and not _NOW.search(date)) or _SHORT.match(date):
        raise InvalidInput(f"since={date!r} is no date that git understands", "2026-01-31, 2 weeks ago, midnight")
    return told


def _commit(one: Logged) -> Commit:
    return Commit(
        sha=one.sha,
        author=one.author,
        date=one.date,
        subject=one.subject,
        files_changed=one.files,
        additions=one.additions,
        deletions=one.deletions,
    )
