"""One linter's run in the sandbox."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from itertools import count
from typing import Final

import anyio

from astro_mcp.agents.lint.advised import Advised
from astro_mcp.agents.lint.by_file import Ask, ByFile
from astro_mcp.agents.lint.defaults import files_for
from astro_mcp.agents.lint.images import Images, LinterImage
from astro_mcp.agents.lint.models import FailedTool
from astro_mcp.agents.lint.report import Report, in_file, left, report
from astro_mcp.agents.lint.sources import ADVISED, ADVISORIES, FILE, FOLDER, LOOKED, Sources
from astro_mcp.core.call import Context
from astro_mcp.packs import CONFIG, GIVEN, PATHS, REPORT, SCRIPT, Linter
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.sandbox.standing import Key
from astro_mcp.workspace.workspace import Workspace

SECONDS: Final = 300.0
AT_ONCE: Final = max(2, min(4, os.cpu_count() or 2))
"""Linters of one call that run, or have their images made, at once."""
PLACE: Final = f"{FOLDER}/{FILE}"
ARGUMENTS: Final = 1_900_000
"""Bytes of paths: Linux gives arguments and environment a quarter of the stack's 8 MiB, and each costs its pointer."""
POINTER: Final = 9
"""Bytes, with the one that ends the argument."""
NOT_STARTED: Final = 126
"""The exit code of a shell for what it can't run."""
STANDS_FOR: Final = {SCRIPT: ADVISED, GIVEN: ADVISORIES}
TO_FILE: Final = ("sh", "-c", f'exec "$@" >{PLACE}', "sh")
"""Before the argv of a linter that reports on its output: that is bounded, and a report cut short is none."""


class Run:
    """Runs linters on one copy, a few at a time."""

    def __init__(
        self,
        sandbox: Sandbox,
        workspace: Workspace,
        by_file: ByFile,
        advised: Advised,
        sources: Sources,
        ctx: Context,
    ) -> None:
        self._sandbox = sandbox
        self._advised = advised
        self._workspace = workspace
        self._by_file = by_file
        self._sources = sources
        self._ctx = ctx
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._steps = count(1)
        self._images = Images(sandbox, workspace, ctx, self._step)

    async def linter(self, linter: Linter) -> Report:
        """Run `linter`; raises what the image and the container raise."""
        paths = self._sources.arguments(linter)
        if not paths:
            return Report(linter.name)
        if sum(len(os.fsencode(path)) + POINTER for path in paths) > ARGUMENTS:
            message = f"{len(paths):,} paths are more than it can be given; name fewer"
            return Report(linter.name, failed=FailedTool(tool=linter.name, exit_code=NOT_STARTED, message=message))
        async with self._places:
            if linter.reads_only:
                return await self._reader(linter, paths)
            if await self._scoped(linter):
                paths = []
            given = await self._advised.files(linter, self._sources, self._ctx) if linter.advised else ()
            image = await self._images.of(linter, self._sources)
            given = (*given, *self._sources.generated) if linter.imports else given
            job = await self._workspace.quickly(lambda: self._job(linter, paths, image.tag, given=given))
            await self._step(0, None, f"{linter.name}: running")
            outcome = await self._sandbox.run(job)
        generated = frozenset(file.path for file in self._sources.generated)
        made = await self._workspace.at_length(lambda: report(linter, outcome, self._sources.paths | generated))
        made.lasting, made.left_out = image.lasting and not linter.advised, image.left_out
        if linter.imports:  # what it imports is checked too, and nobody asked for that
            asked = (item for item in made.findings if self._sources.asked(item.file))
            made.findings = [item for item in asked if item.file not in generated]
        return made

    async def _scoped(self, linter: Linter) -> bool:
        """Whether the project's settings say what `linter` looks at."""
        return bool(linter.scopes) and await self._workspace.quickly(lambda: self._sources.scoped(linter))

    async def _reader(self, linter: Linter, paths: Sequence[str]) -> Report:
        """Run one that only reads, where it ran before: about what changed since, if that is enough."""
        name = f"{linter.name}, before" if self._sources.before else linter.name
        key = Key(self._ctx.session.scope, self._sources.places[0].root, name)
        standing = self._sandbox.standing(key)
        image = LinterImage(standing) if standing is not None else await self._images.of(linter, self._sources)
        await self._step(0, None, f"{linter.name}: running")
        if linter.by_file is not None and (known := await self._told(key, linter, image.tag)) is not None:
            return known
        job = await self._workspace.quickly(lambda: self._job(linter, paths, image.tag, listing=True))
        outcome = await self._sandbox.again(key, job)

        def read() -> Report:
            made = report(linter, outcome, self._sources.paths)
            self._by_file.keep(key, image.tag, self._sources, left(outcome, LOOKED), made)
            return made

        return await self._workspace.at_length(read)

    async def _told(self, key: Key, linter: Linter, image: str) -> Report | None:
        """What is known, with what the linter says of the files that changed; None where it has to be asked about more,
        and where that does not fit together."""

        def changed() -> tuple[Ask | None, Job | None]:
            ask = self._by_file.ask(key, linter, image, self._sources)
            paths = [f"./{path}" for path in ask.paths] if ask else []
            return ask, self._job(linter, paths, image) if paths else None

        ask, job = await self._workspace.quickly(changed)
        if ask is None:
            return None
        outcome = await self._sandbox.again(key, job) if job else None

        def merged() -> Report | None:
            made = report(linter, outcome, self._sources.paths) if outcome else Report(linter.name, ran=True)
            return self._by_file.merged(key, ask, made)

        return await self._workspace.quickly(merged)

    def _job(
        self,
        linter: Linter,
        paths: Sequence[str],
        image: str,
        *,
        listing: bool = False,
        given: Sequence[SandboxFile] = (),
    ) -> Job:
        words: list[str] = [] if in_file(linter) else list(TO_FILE)
        for word in linter.argv:
            if CONFIG in word:
                words += [word.replace(CONFIG, path) for path in self._sources.settings(linter)]
            else:
                words.append(STANDS_FOR.get(word) or word.replace(REPORT, PLACE))
        if listing and linter.by_file is not None:
            argv = listed(linter.by_file.argv, words, paths)
        else:
            argv = [each for word in words for each in (paths if word == PATHS else [word])]
        tenant = self._ctx.session.scope.tenant
        return Job(
            tuple(argv),
            files=(*files_for(linter, self._sources), *given),
            timeout=SECONDS,
            env=linter.env,
            image=image,
            collect=FOLDER,
            tenant=tenant,
        )

    async def _step(self, done: float, total: float | None, text: str) -> None:
        """Linters tell what they do at the same time, so that each one's own count says nothing."""
        await self._ctx.progress(next(self._steps), None, text)


def listed(first: Sequence[str], then: Sequence[str], paths: Sequence[str]) -> list[str]:
    """`then`, and before it `first`, whose output is kept where it ends well. Paths are words of their own: one word
    ends far below what all may have."""
    before, after = (
        " ".join('"$@"' if word == PATHS else shlex.quote(word) for word in words) for words in (first, then)
    )
    place = f"{FOLDER}/{LOOKED}"
    return ["sh", "-c", f"{before} >{place} 2>/dev/null || rm -f {place}; exec {after}", "sh", *paths]
