"""What the workflow tools do with the scheduler, and what is at the addresses of templates, runs and steps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import anyio.to_thread

from astro_mcp.core.agent import Health
from astro_mcp.core.authority import Effect, Session
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.core.registry import Registry
from astro_mcp.core.resource import Body
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.workflow import coming_back, questions, views
from astro_mcp.workflow import shapes as s
from astro_mcp.workflow.checked_plans import CheckedPlans
from astro_mcp.workflow.document.inputs import parse as parse_inputs
from astro_mcp.workflow.document.inputs import settled
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.document.source import load
from astro_mcp.workflow.driver import RunView
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.pictures.shown import MERMAID, as_mermaid, as_svg
from astro_mcp.workflow.scheduler import Scheduler

YAML = "application/yaml"
JSON = "application/json"
LINES = "application/x-ndjson"


class WorkflowWork:
    """Runs many steps for a host, durably."""

    def __init__(self, scheduler: Scheduler, registry: Registry, artifacts: ArtifactSink) -> None:
        self._scheduler = scheduler
        self._registry = registry
        self._templates = scheduler.templates
        self._plans = CheckedPlans(scheduler, artifacts)
        self._painters = anyio.CapacityLimiter(1)

    async def check(self, args: s.CheckInput, ctx: Context) -> s.CheckOutput:
        checked = await self._scheduler.check(args.spec, ctx.session.grant.effects, ctx.session)
        ctx.label(*checked.labels)
        problems = list(checked.problems)
        if args.inputs and checked.plan:
            problems += settled(checked.plan.document.inputs, parse_inputs(args.inputs))[1]
        return s.CheckOutput(
            valid=not problems,
            plan=views.plan_steps(checked.plan) if checked.plan and not problems else [],
            picture="" if problems else await self._plans.keep(ctx.session, checked),
            effects=sorted(checked.effects),
            worktree=checked.begins if not problems else "",
            problems=[s.ProblemShape(path=p.path, reason=p.reason, corrected=p.suggestion) for p in problems],
            nearest_examples=await self._examples(args.spec) if problems else [],
            guide=s.GUIDE if problems else "",
        )

    async def run(self, args: s.RunInput, ctx: Context) -> s.RunOutput:
        if bool(args.template) == bool(args.spec):
            raise InvalidInput("give either template or spec", f"templates: {', '.join(await self._names())}")
        run_id = ctx.call.resumes or await self._start(args, ctx)
        if args.wait_seconds > 0 and ctx.call.comes_back is not None:
            view = await self._view(ctx, run_id)
            if coming_back.suits(view.plan, ctx.call.comes_back if _hands_on(ctx) else frozenset()):
                ctx.durable = coming_back.told(view, self._scheduler.kept_seconds)
                return s.RunOutput(**views.summary(view))
        await self._scheduler.wait(ctx.session.scope, run_id, args.wait_seconds, ctx.progress)
        view = await self._view(ctx, run_id)
        self._ask(ctx, view, frozenset(), waits=args.wait_seconds > 0)
        return s.RunOutput(**views.summary(view))

    async def status(self, args: s.StatusInput, ctx: Context) -> s.StatusOutput:
        if not args.run_id:
            runs = await self._scheduler.recent(ctx.session.scope)
            lines = [s.StepLine(id=run.run_id, tool=run.name, status=run.status) for run in runs]
            return s.StatusOutput(steps=lines)
        before = await self._scheduler.asked(ctx.session.scope, args.run_id)
        await self._scheduler.wait(ctx.session.scope, args.run_id, args.wait_seconds, ctx.progress)
        view = await self._view(ctx, args.run_id)
        self._ask(ctx, view, before, waits=args.wait_seconds > 0 or bool(ctx.call.comes_back))
        if ctx.call.comes_back is not None:
            ctx.durable = coming_back.told(view, self._scheduler.kept_seconds)
        return s.StatusOutput(**views.summary(view), steps=views.step_lines(view))

    async def answer(self, args: s.AnswerInput, ctx: Context) -> s.AnswerOutput:
        await self._scheduler.answer(ctx.session, args.run_id, args.step, _value(args.value), ctx.call.approval)
        return s.AnswerOutput(**await self._short(ctx, args.run_id))

    async def control(self, args: s.ControlInput, ctx: Context) -> s.ControlOutput:
        session, run_id = ctx.session, args.run_id
        if args.step and args.action in ("pause", "resume"):
            raise InvalidInput(f"{args.action} takes no step: it is for the whole run")
        if args.action == "pause":
            await self._scheduler.pause(session, run_id)
        elif args.action == "resume":
            await self._scheduler.resume(session, run_id)
        elif args.action == "retry":
            await self._scheduler.retry(session, run_id, args.step)
        elif args.action == "fork":
            run_id = await self._scheduler.fork(session, run_id, args.step)
        else:
            await self._scheduler.cancel(session, run_id, args.step)
        return s.ControlOutput(**await self._short(ctx, run_id))

    async def health(self) -> Health:
        try:
            names = await self._names()
        except (AstroError, OSError) as error:
            return Health(ok=False, detail=str(error), fix="reinstall astro-mcp, or correct the named file")
        return Health(ok=True, detail=f"{len(names)} templates")

    # Resources.

    async def read_templates(self, session: Session, variables: dict[str, str]) -> Body:
        listed = [
            {
                "name": t.name,
                "version": t.document.version,
                "description": t.document.description,
                "inputs": {name: spec.model_dump(exclude_unset=True) for name, spec in t.document.inputs.items()},
            }
            for t in await self._templates.all()
        ]
        return Body(JSON, text=json.dumps({"items": listed}, ensure_ascii=False, indent=1))

    async def read_template(self, session: Session, variables: dict[str, str]) -> Body:
        return Body(YAML, text=(await self._templates.get(variables["name"])).text)

    async def complete_template(self, session: Session, prefix: str) -> list[str]:
        return [name for name in await self._names() if name.startswith(prefix)][:100]

    async def read_run(self, session: Session, variables: dict[str, str]) -> Body:
        return Body(JSON, text=views.run_json(await self._scheduler.view(session.scope, variables["run_id"])))

    async def read_history(self, session: Session, variables: dict[str, str]) -> Body:
        events = await self._scheduler.happened(session.scope, variables["run_id"])
        return Body(
            LINES, text="".join(f"{json.dumps(views.event_json(event), ensure_ascii=False)}\n" for event in events)
        )

    async def complete_run(self, session: Session, prefix: str) -> list[str]:
        return [run.run_id for run in await self._scheduler.recent(session.scope, prefix)]

    async def read_step(self, session: Session, variables: dict[str, str]) -> Body:
        view = await self._scheduler.view(session.scope, variables["run_id"])
        return Body(JSON, text=views.step_json(view, variables["step"]))

    async def picture_template(self, name: str, mime: str) -> Body:
        """A template's steps; raises `NotFound`."""
        return await self._painted(mime, await self._scheduler.plan((await self._templates.get(name)).text))

    async def picture_plan(self, session: Session, sha256: str, mime: str) -> Body:
        """The steps of a document that was checked for this scope; raises `NotFound`."""
        plan, labels = await self._plans.get(session, sha256)
        return replace(await self._painted(mime, plan), labels=labels)

    async def picture_run(self, session: Session, run_id: str, mime: str) -> Body:
        """A run's steps and how they are; raises `NotFound`."""
        view = await self._scheduler.view(session.scope, run_id)
        return await self._painted(mime, view.plan, view.state)

    async def _painted(self, mime: str, plan: Plan, state: RunState | None = None) -> Body:
        paint = as_mermaid if mime == MERMAID else as_svg
        return Body(mime, text=await anyio.to_thread.run_sync(paint, plan, state, limiter=self._painters))

    async def watch(self, session: Session, variables: dict[str, str]) -> AsyncIterator[None]:
        """The changes of a run, or of its step where the address names one."""
        return await self._scheduler.changes(session.scope, variables["run_id"], variables.get("step", ""))

    async def watch_history(self, session: Session, variables: dict[str, str]) -> AsyncIterator[None]:
        """The events of a run."""
        return await self._scheduler.changes(session.scope, variables["run_id"], every=True)

    # What the tools share.

    async def _view(self, ctx: Context, run_id: str) -> RunView:
        """The run, whose labels are the result's from here on."""
        view = await self._scheduler.view(ctx.session.scope, run_id)
        ctx.label(*view.labels)
        return view

    async def _start(self, args: s.RunInput, ctx: Context) -> str:
        spec = (await self._templates.get(args.template)).text if args.template else args.spec
        return await self._scheduler.start(ctx.session, spec, parse_inputs(args.inputs), args.allow, args.priority)

    def _ask(self, ctx: Context, view: RunView, before: frozenset[str], *, waits: bool) -> None:
        """What a person may be asked, where the caller waits, and where their word could be handed on; `before` are
        the digests of what the caller knew of when it chose to wait."""
        if waits and _hands_on(ctx):
            ctx.ask(*questions.of(view, before))

    async def _short(self, ctx: Context, run_id: str) -> dict[str, Any]:
        fields = views.summary(await self._view(ctx, run_id))
        return {name: fields[name] for name in ("run_id", "status", "waiting_for", "next")}

    async def _names(self) -> list[str]:
        return [template.name for template in await self._templates.all()]

    async def _examples(self, spec: str) -> list[str]:
        """The templates that name most of the tools that the text names."""
        tools = [name for name in self._registry.tools if name in spec]
        scored = [(sum(name in t.text for name in tools), t.name) for t in await self._templates.all()]
        return [name for score, name in sorted(scored, reverse=True) if score][:2]


def _hands_on(ctx: Context) -> bool:
    """Whether a person's word that comes by this session could be handed on."""
    return Effect.WRITE in ctx.session.grant.effects


def _value(text: str) -> Any:
    """An answer: JSON where it is some, else the text as it stands."""
    plain = text.strip()
    if plain.startswith(("{", "[")):
        return load(text, "value")
    if not plain.startswith('"') and plain not in ("true", "false", "null"):
        return text
    try:
        return json.loads(plain)
    except ValueError:
        return text
