"""What `lint_fix` does: fixers on a copy, a diff, and one change of all files where that is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from astro_mcp.agents.lint.fix_models import FixedFile, FixInput, FixOutput
from astro_mcp.agents.lint.fixing import Fixers, with_files
from astro_mcp.agents.lint.models import FailedTool
from astro_mcp.agents.lint.report import Report
from astro_mcp.agents.lint.sources import Sources
from astro_mcp.agents.lint.work import LintWork
from astro_mcp.core.call import Context
from astro_mcp.errors import Conflict, Denied, InvalidInput
from astro_mcp.packs import Linter
from astro_mcp.workspace.changes import Applied, Changes, Done, Write, maker
from astro_mcp.workspace.diff import diff_bytes
from astro_mcp.workspace.workspace import Workspace


@dataclass(slots=True)
class Proposal:
    """The copy with every fix, and what is told of it."""

    sources: Sources
    failed: list[FailedTool] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class FixWork:
    """Fixers one after the other, each on what the one before left."""

    def __init__(self, lint: LintWork, fixers: Fixers, workspace: Workspace, changes: Changes) -> None:
        self._lint = lint
        self._fixers = fixers
        self._workspace = workspace
        self._changes = changes

    async def fix(self, args: FixInput, ctx: Context) -> FixOutput:
        done = await self._changes.done(ctx.session, ctx.call.idempotency_key) if args.apply else None
        sources, linters = await self._lint.sources(args.paths, args.tools, ctx)
        if done is not None:  # this call's process died once it had written: the same is found out again, and told
            sources = with_files(sources, {place.relative: data for place, data in done.before.items()})
        if args.tools and (without := [linter.name for linter in linters if linter.fix is None]):
            raise InvalidInput(f"{without[0]} fixes nothing", "lint_check gives its findings")
        linters = [linter for linter in linters if linter.fix is not None]
        before = await self._lint.run(linters, sources, ctx)
        missing = {report.tool for report in before if report.missing}
        going = [one for one in linters if one.name not in missing]
        proposal = await self._proposal(going, sources, ctx, written=done is not None)
        writes = changes_of(sources, proposal.sources)
        after = await self._lint.run(linters, proposal.sources, ctx) if writes else before
        match = digest(writes)
        if args.if_match is not None and args.if_match.lower() != match:
            raise Conflict(
                "files changed since that diff was made, or fixers would do something else now; nothing is written",
                "look at the diff of lint_fix without apply, and pass its if_match",
            )
        applied: Done | Applied | None = done
        if args.apply and done is None:
            applied = await self._changes.apply(ctx.session, writes, by=maker(ctx))
        found = counted(before)
        remaining = counted(after)
        old = sources.by_path
        return FixOutput(
            files=[FixedFile(path=one.place.display, sha256=_sha256(one.content)) for one in writes],
            fixed=max(0, found - remaining),
            remaining=remaining,
            if_match=match,
            undo_id=(applied.undo_id or None) if applied else None,
            tools_run=[report.tool for report in after if report.ran],
            missing_tools=[report.missing for report in before if report.missing],
            failed_tools=[*(report.failed for report in after if report.failed), *proposal.failed],
            left_out=[*sources.withheld, *proposal.left_out],
            diff=await self._workspace.at_length(lambda: diff_of(writes, old)),
        )

    async def _proposal(self, linters: Sequence[Linter], sources: Sources, ctx: Context, *, written: bool) -> Proposal:
        """Every fix that may be written, or is `written` already; what a guard keeps from that is left as it is, and
        told."""
        proposal = Proposal(sources)
        refused: dict[str, str] = {}
        for linter in linters:
            if linter.fix is None:
                continue
            made = await self._fixers.run(linter, linter.fix, proposal.sources, ctx)
            proposal.failed += [made.failed] if made.failed else []
            proposal.left_out += made.refused
            kept = {}
            for path, data in made.files.items():
                if path not in refused and (reason := await self._refusal(sources, path, data, written=written)):
                    refused[path] = reason
                if path not in refused:
                    kept[path] = data
            proposal.sources = with_files(proposal.sources, kept)
        proposal.left_out += [f"{path} ({reason})" for path, reason in refused.items()]
        return proposal

    async def _refusal(self, sources: Sources, path: str, data: bytes, *, written: bool) -> str:
        """Why `path` is not to be written; empty where it may be. Raises `Conflict` where it changed meanwhile."""
        match = None if written else _sha256(sources.by_path[path])
        change = Write(sources.places[0].at(path), data, if_match=match)
        try:
            await self._changes.preview([change])
        except Conflict:
            raise
        except (Denied, InvalidInput) as error:
            return error.message
        return ""


def changes_of(before: Sources, after: Sources) -> list[Write]:
    """What has to be written so that the files of `before` are those of `after`, by path. Each says what it was made
    from."""
    old = before.by_path
    return [
        Write(before.places[0].at(file.path), file.data, if_match=_sha256(old[file.path]))
        for file in sorted(after.files, key=lambda file: file.path)
        if file.data != old[file.path]
    ]


def diff_of(writes: Sequence[Write], before: Mapping[str, bytes]) -> str:
    return "".join(diff_bytes(one.place.display, before[one.place.relative], one.content) for one in writes)


def digest(writes: Sequence[Write]) -> str:
    """Stands for the diff: every file of it, as it was and as it becomes."""
    lines = [f"{one.place.relative}\0{one.if_match}\0{_sha256(one.content)}\n" for one in writes]
    return _sha256("".join(lines).encode())


def counted(reports: Sequence[Report]) -> int:
    return sum(len(report.findings) + report.beyond for report in reports)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
