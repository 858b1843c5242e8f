"""What `code_run` does."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import anyio.to_thread

from astro_mcp.agents.code.artifacts import keep
from astro_mcp.agents.code.languages import Languages
from astro_mcp.agents.code.model import CodeInput, CodeOutput, Reached
from astro_mcp.agents.code.needs import Needs, needed_by
from astro_mcp.agents.code.reach import reach
from astro_mcp.core.agent import Health
from astro_mcp.core.authority import Effect, Label, Scope
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import InvalidInput
from astro_mcp.packs import Language
from astro_mcp.sandbox.egress import BUNDLE
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile, beside
from astro_mcp.sandbox.packages.leaving import asked as by_name
from astro_mcp.sandbox.packages.leaving import listed
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.sandbox.sessions import Caller
from astro_mcp.workspace.workspace import Workspace

MOST_FILES: Final = 5_000
MOST_BYTES: Final = 200_000_000
RESULT: Final = ".astro-result"
MOST_RESULT: Final = 100_000
LONGEST_LINE: Final = 1_000
RUNNER: Final = ".astro/run.py"
INPUT: Final = ".astro/input.json"


class CodeWork:
    """In fresh, hardened containers, on copies of workspace files."""

    def __init__(
        self, sandbox: Sandbox, workspace: Workspace, artifacts: ArtifactSink, languages: Sequence[Language]
    ) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._artifacts = artifacts
        self._languages = Languages(languages)

    async def run(self, args: CodeInput, ctx: Context) -> CodeOutput:
        language = self._languages.of(args)
        show = _Ticker(ctx)
        program = await _program(args, language)
        files, withheld = await self._copy(args, _ours(program, language, ctx), ctx)
        needs = await needed_by(args, language.packages, self._workspace, self._sandbox, ctx)
        reached = reach(args, self._sandbox, ctx)
        job = Job(
            argv=("python3", RUNNER, *language.argv[1:]) if language.script else language.argv,
            build=language.build,
            script=language.script,
            files=(*files, *program),
            stdin=args.stdin.encode(),
            timeout=args.timeout,
            env=language.env,
            image=await self._image(args, language, needs, show, ctx),
            on_output=show.output,
            tenant=ctx.session.scope.tenant,
            egress=reached.open,  # what no policy let through is not there
            upload=reached.upload,
        )
        if Effect.NETWORK in ctx.effects:
            ctx.label(Label.UNTRUSTED)
        if args.session:
            caller = Caller(ctx.session.grant, ctx.call.labels | ctx.labels, files=Effect.READ in ctx.effects)
            outcome = await self._sandbox.turn(ctx.session.scope, args.session, job, caller, last=args.end_session)
            ctx.label(*outcome.labels)  # before anything of it is kept
        else:
            outcome = await self._sandbox.run(job)
        result = await self._result(outcome, files, withheld, ctx)
        result.left_out = list(needs.left_out)
        result.session_ended = outcome.over if args.session else None
        result.built = outcome.built if language.build else None
        result.egress = [*reached.refused, *(Reached(**asdict(one)) for one in outcome.egress)] or None
        return result

    def end(self, args: CodeInput, ctx: Context) -> CodeOutput:
        """End the session now, and the turn that goes on in it; nothing runs. Raises `NotFound`."""
        self._sandbox.end(ctx.session.scope, args.session)
        return CodeOutput(exit_code=0, stdout="", stderr="", session_ended=True, queued_ms=0, run_ms=0)

    def sessions(self, scope: Scope) -> list[dict[str, Any]]:
        """The scope's sessions; times are in seconds."""
        now = time.monotonic()
        return [
            {
                "name": one.name,
                "turns": one.turns,
                "up_seconds": round(now - one.began),
                "idle_seconds": round(now - one.used),
                "busy": one.turn.locked(),
            }
            for one in self._sandbox.sessions(scope)
        ]

    async def health(self) -> Health:
        return await self._sandbox.health()

    async def _image(self, args: CodeInput, language: Language, needs: Needs, show: _Ticker, ctx: Context) -> str:
        image = ""
        if language.image is not None:
            image = await self._sandbox.language_image(language.image.debian, language.install_hint)
        if language.packages is None:
            return image
        tenant, asked = ctx.session.scope.tenant, [*args.packages, *needs.requirements]
        registry = language.packages
        leaving = (by_name(registry, args.packages), listed(registry, needs.requirements, needs.pins))
        return await self._sandbox.package_image(
            registry, image, tenant, asked, show.step, needs.pins, lambda: ctx.let_out(*leaving)
        )

    async def _copy(
        self, args: CodeInput, ours: Collection[str], ctx: Context
    ) -> tuple[tuple[SandboxFile, ...], tuple[str, ...]]:
        if args.paths or args.project:
            ctx.label(Label.UNTRUSTED, Label.PRIVATE)
        if not args.paths:
            return (), ()
        copy = await self._workspace.snapshot(ctx.session, args.paths, max_files=MOST_FILES, max_bytes=MOST_BYTES)
        files, odd = beside((SandboxFile(file.path, file.data, file.executable) for file in copy.files), ours)
        return files, (*copy.withheld, *odd)

    async def _result(
        self, outcome: Outcome, given: tuple[SandboxFile, ...], withheld: tuple[str, ...], ctx: Context
    ) -> CodeOutput:
        before = {file.path: file.data for file in given}
        made = [file for file in outcome.files if before.get(f"out/{file.path}") != file.data]
        result = next((file.data.decode(errors="replace") for file in made if file.path == RESULT), None)
        if result is not None and len(result) > MOST_RESULT:
            result = f"{result[:MOST_RESULT]}… ({len(result):,} characters; write long values to ./out)"
        return CodeOutput(
            exit_code=outcome.exit_code,
            stdout=outcome.stdout.decode(errors="replace"),
            stderr=outcome.stderr.decode(errors="replace"),
            result=result,
            artifacts=await keep((file for file in made if file.path != RESULT), self._artifacts, ctx),
            limits_hit=list(outcome.limits_hit),
            withheld=[*withheld, *(f"out/{path}" for path in outcome.withheld)],
            queued_ms=round(outcome.queued_ms, 1),
            run_ms=round(outcome.run_ms, 1),
        )


async def _program(args: CodeInput, language: Language) -> tuple[SandboxFile, ...]:
    files = [SandboxFile(language.file, args.code.encode())]
    if language.script:
        runner = await anyio.to_thread.run_sync(Path(__file__).with_name("runner.py").read_bytes)
        files.append(SandboxFile(RUNNER, runner))
    if args.input is not None:
        try:
            json.loads(args.input)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"input is no JSON: {error}", 'write it as a string of JSON, such as "[1, 2]"') from None
        files.append(SandboxFile(INPUT, args.input.encode()))
    return tuple(files)


def _ours(program: Sequence[SandboxFile], language: Language, ctx: Context) -> set[str]:
    """Where no workspace file goes: what is put in, and what the runner reads and writes."""
    ours = {f"out/{RESULT}", *(file.path for file in program)}
    if language.script:
        ours.add(INPUT)
    if Effect.NETWORK in ctx.effects:
        ours.add(BUNDLE)
    return ours


class _Ticker:
    """Progress that only ever grows: steps of an image, then whole lines of output, ten a second at most."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._count = 0
        self._last = 0.0
        self._begun = {"stdout": b"", "stderr": b""}

    async def step(self, done: float, total: float | None, text: str) -> None:
        self._count += 1
        await self._ctx.progress(self._count, None, text)

    async def output(self, stream: str, data: bytes) -> None:
        whole, newline, begun = (self._begun[stream] + data).rpartition(b"\n")
        self._begun[stream] = begun[-LONGEST_LINE:]
        now = time.monotonic()
        lines = whole.decode(errors="replace").strip().splitlines()
        if newline and lines and now - self._last >= 0.1:
            self._last = now
            await self.step(0, None, lines[-1])
