"""The workflow agent: five tools over the scheduler, and the addresses of templates, runs and steps."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Session
from astro_mcp.core.call import Context
from astro_mcp.core.registry import Registry
from astro_mcp.core.resource import Body, Resource
from astro_mcp.core.tool import tool
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.workflow import shapes as s
from astro_mcp.workflow import views
from astro_mcp.workflow.document.inputs import parse as parse_inputs
from astro_mcp.workflow.document.inputs import settled
from astro_mcp.workflow.document.source import load
from astro_mcp.workflow.scheduler import RunView, Scheduler
from astro_mcp.workflow.templates import Templates

R, W, D, X, N = Effect.READ, Effect.WRITE, Effect.DESTROY, Effect.EXECUTE, Effect.NETWORK
YAML = "application/yaml"
JSON = "application/json"


def _asked_effects(args: s.RunInput) -> frozenset[Effect]:
    """What the caller asks for by name must lie within its grant; the default narrows to the grant by itself."""
    return frozenset(args.allow) if "allow" in args.model_fields_set else frozenset({R})


class WorkflowAgent(Agent):
    """Runs many steps for a host, durably."""

    name: ClassVar[str] = "workflow"
    title: ClassVar[str] = "Workflows"

    def __init__(self, scheduler: Scheduler, registry: Registry, templates: Templates) -> None:
        self._scheduler = scheduler
        self._registry = registry
        self._templates = templates

    @tool(title="Check a workflow", effects={R}, idempotent=True)
    async def workflow_check(self, args: s.CheckInput, ctx: Context) -> s.CheckOutput:
        """Use before workflow_run to check a workflow without running it: gives the plan and its effects, or every
        problem at once with a path, a reason and a correction.

        spec is a document with `name`, `inputs`, `steps`, `outputs`. A step has an `id` and one of `tool`, `do`, `ask`,
        `approve`; expressions are written `${{ steps.lint.total }}`.

        Example: {"steps": [{"id": "look", "tool": "fs_list", "with": {"path": "."}}]}
        """
        checked = await self._scheduler.check(args.spec, ctx.session.grant.effects)
        problems = list(checked.problems)
        if args.inputs and checked.plan:
            problems += settled(checked.plan.document.inputs, parse_inputs(args.inputs))[1]
        return s.CheckOutput(
            valid=not problems,
            plan=views.plan_steps(checked.plan) if checked.plan and not problems else [],
            effects=sorted(checked.effects),
            problems=[s.ProblemShape(path=p.path, reason=p.reason, corrected=p.suggestion) for p in problems],
            nearest_examples=await self._examples(args.spec) if problems else [],
        )

    @tool(
        title="Run a workflow",
        effects={R, W, D, X, N},
        effects_of=_asked_effects,
        timeout=300,
    )
    async def workflow_run(self, args: s.RunInput, ctx: Context) -> s.RunOutput:
        """Use when a job takes several tool calls: runs a template or a document of steps durably, in parallel where
        steps do not depend on one another, and goes on when you disconnect. Name write or destroy in allow where steps
        need them.

        Returns after wait_seconds at the latest; `next` is the call to make then. Cancelling this call leaves the run
        going: workflow_control cancels it.

        Example: template="review-repository", allow=["read","write","destroy","execute"]
        """
        if bool(args.template) == bool(args.spec):
            raise InvalidInput("give either template or spec", f"templates: {', '.join(await self._names())}")
        spec = (await self._templates.get(args.template)).text if args.template else args.spec
        given = parse_inputs(args.inputs)
        run_id = await self._scheduler.start(ctx.session, spec, given, args.allow)
        await self._scheduler.wait(ctx.session.scope, run_id, args.wait_seconds, ctx.progress)
        view = await self._view(ctx, run_id)
        return s.RunOutput(**views.summary(view))

    @tool(title="Look at a run", effects={R}, idempotent=True, timeout=300)
    async def workflow_status(self, args: s.StatusInput, ctx: Context) -> s.StatusOutput:
        """Use to see how a workflow run is, or wait for its end or its next question: status, steps, outputs, and what
        it waits for. Without run_id: your runs, newest first.

        A step's whole output is at its result_uri (astro_read).
        """
        if not args.run_id:
            runs = await self._scheduler.recent(ctx.session.scope)
            lines = [s.StepLine(id=run.run_id, tool=run.name, status=run.status) for run in runs]
            return s.StatusOutput(steps=lines)
        await self._scheduler.wait(ctx.session.scope, args.run_id, args.wait_seconds, ctx.progress)
        view = await self._view(ctx, args.run_id)
        return s.StatusOutput(**views.summary(view), steps=views.step_lines(view))

    @tool(title="Answer a run", effects={W})
    async def workflow_answer(self, args: s.AnswerInput, ctx: Context) -> s.AnswerOutput:
        """Use when a run waits for you: answers an ask with the fields that it names, decides a gate with true or
        false, or tells the output of a lost step whose effect did happen. A second answer changes nothing.

        Gates of level host or operator take a person's word and refuse this one.

        Example: run_id="run_…", step="story", value={"markdown": "…"}
        """
        await self._scheduler.answer(ctx.session, args.run_id, args.step, _value(args.value))
        return s.AnswerOutput(**await self._short(ctx, args.run_id))

    @tool(title="Steer a run", effects={W, D}, timeout=60)
    async def workflow_control(self, args: s.ControlInput, ctx: Context) -> s.ControlOutput:
        """Use to pause, resume or cancel a run, to cancel one step, or to retry steps that were lost when the process
        died in the middle of an effect that can't safely be repeated.

        Example: run_id="run_…", action="retry", step="commit"
        """
        session, run_id = ctx.session, args.run_id
        if args.step and args.action in ("pause", "resume"):
            raise InvalidInput(f"{args.action} takes no step: it is for the whole run")
        if args.action == "pause":
            await self._scheduler.pause(session, run_id)
        elif args.action == "resume":
            await self._scheduler.resume(session, run_id)
        elif args.action == "retry":
            await self._scheduler.retry(session, run_id, args.step)
        else:
            await self._scheduler.cancel(session, run_id, args.step)
        return s.ControlOutput(**await self._short(ctx, args.run_id))

    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource(
                uri="astro://workflows",
                name="workflows",
                title="Workflow templates",
                description="Every template with its inputs.",
                mime=JSON,
                read=self._read_templates,
            ),
            Resource(
                uri="astro://workflows/{name}",
                name="workflow",
                title="A workflow template",
                description="The template's document.",
                mime=YAML,
                read=self._read_template,
                complete=self._complete_template,
            ),
            Resource(
                uri="astro://runs/{run_id}",
                name="run",
                title="A workflow run",
                description="Status, inputs, outputs and steps of a run.",
                mime=JSON,
                read=self._read_run,
                complete=self._complete_run,
            ),
            Resource(
                uri="astro://runs/{run_id}/steps/{step}",
                name="step",
                title="A step of a run",
                description="One step with its whole output.",
                mime=JSON,
                read=self._read_step,
            ),
        )

    async def health(self) -> Health:
        try:
            names = await self._names()
        except (AstroError, OSError) as error:
            return Health(ok=False, detail=str(error), fix="reinstall astro-mcp, or correct the named file")
        return Health(ok=True, detail=f"{len(names)} templates")

    # Resources.

    async def _read_templates(self, session: Session, variables: dict[str, str]) -> Body:
        listed = [
            {
                "name": t.name,
                "description": t.document.description,
                "inputs": {name: spec.model_dump(exclude_unset=True) for name, spec in t.document.inputs.items()},
            }
            for t in await self._templates.all()
        ]
        return Body(JSON, text=json.dumps({"items": listed}, ensure_ascii=False, indent=1))

    async def _read_template(self, session: Session, variables: dict[str, str]) -> Body:
        return Body(YAML, text=(await self._templates.get(variables["name"])).text)

    async def _complete_template(self, session: Session, prefix: str) -> list[str]:
        return [name for name in await self._names() if name.startswith(prefix)][:100]

    async def _read_run(self, session: Session, variables: dict[str, str]) -> Body:
        return Body(JSON, text=views.run_json(await self._scheduler.view(session.scope, variables["run_id"])))

    async def _complete_run(self, session: Session, prefix: str) -> list[str]:
        return [run.run_id for run in await self._scheduler.recent(session.scope, prefix)]

    async def _read_step(self, session: Session, variables: dict[str, str]) -> Body:
        view = await self._scheduler.view(session.scope, variables["run_id"])
        return Body(JSON, text=views.step_json(view, variables["step"]))

    # What the tools share.

    async def _view(self, ctx: Context, run_id: str) -> RunView:
        """The run, whose labels are the result's from here on."""
        view = await self._scheduler.view(ctx.session.scope, run_id)
        ctx.label(*view.labels)
        return view

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
