"""The workflow agent: five tools over the scheduler, and the addresses of templates, runs and steps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, ClassVar

from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Session
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.resource import Body, Resource
from astro_mcp.core.tool import nothing, tool
from astro_mcp.workflow import shapes as s

if TYPE_CHECKING:
    from astro_mcp.workflow.work import WorkflowWork  # loaded after the start, or with the first call

R, W, D, X, N = Effect.READ, Effect.WRITE, Effect.DESTROY, Effect.EXECUTE, Effect.NETWORK
YAML = "application/yaml"
JSON = "application/json"
LINES = "application/x-ndjson"
SVG = "image/svg+xml"
MERMAID = "text/vnd.mermaid"


def _asked_effects(args: s.RunInput) -> frozenset[Effect]:
    """What the caller asks for by name must lie within its grant; the default narrows to the grant by itself."""
    return frozenset(args.allow) if "allow" in args.model_fields_set else frozenset({R})


class WorkflowAgent(Agent):
    """Runs many steps for a host, durably."""

    name: ClassVar[str] = "workflow"
    title: ClassVar[str] = "Workflows"

    def __init__(self, work: Deferred[WorkflowWork]) -> None:
        self._work = work

    @tool(title="Check a workflow", effects={R}, idempotent=True)
    async def workflow_check(self, args: s.CheckInput, ctx: Context) -> s.CheckOutput:
        """Use before workflow_run: gives a workflow's plan and effects, or every problem at once with its correction.

        spec is a document with `name`, `inputs`, `steps`, `outputs`. A step has an `id` and one of `tool`, `do`, `ask`,
        `approve`, `workflow`; expressions are written `${{ steps.lint.total }}`. astro://guides/workflows is the whole
        language. A correction is what stands at the problem's path instead, in YAML, after the corrections before it.

        Example: {"steps": [{"id": "look", "tool": "fs_list", "with": {"path": "."}}]}
        """
        return await (await self._work.get()).check(args, ctx)

    @tool(
        title="Run a workflow",
        effects={R, W, D, X, N},
        effects_of=_asked_effects,
        leaves=nothing,  # the run's steps are calls of their own
        timeout=300,
    )
    async def workflow_run(self, args: s.RunInput, ctx: Context) -> s.RunOutput:
        """Use when a job takes several tool calls: runs a template or a document of steps durably, in parallel where it
        can, and goes on when you disconnect. Name write or destroy in allow where steps need them.

        Returns after wait_seconds at the latest; `next` is the call to make then. Cancelling this call leaves the run
        going: workflow_control cancels it.

        Example: template="review-repository", allow=["read","write","destroy","execute"]
        """
        return await (await self._work.get()).run(args, ctx)

    @tool(title="Look at a run", effects={R}, idempotent=True, timeout=300)
    async def workflow_status(self, args: s.StatusInput, ctx: Context) -> s.StatusOutput:
        """Use to see how a run is, or wait for its end or next question. Without run_id: your runs, newest first.

        A step's whole output is at its result_uri (astro_read).

        While this waits, a host that can shows the person a form for a gate of level host, and for an ask that the run
        had already waited for when the call came: asks are yours to answer first.
        """
        return await (await self._work.get()).status(args, ctx)

    @tool(title="Answer a run", effects={W})
    async def workflow_answer(self, args: s.AnswerInput, ctx: Context) -> s.AnswerOutput:
        """Use when a run waits for you: answers an ask with the fields that it names, decides a gate with true or
        false, or tells the output of a lost step whose effect did happen.

        A second answer changes nothing. Gates of level host or operator take a person's word and refuse this one.

        Example: run_id="run_…", step="story", value={"markdown": "…"}
        """
        return await (await self._work.get()).answer(args, ctx)

    @tool(title="Steer a run", effects={W, D}, timeout=60)
    async def workflow_control(self, args: s.ControlInput, ctx: Context) -> s.ControlOutput:
        """Use to pause, resume or cancel a run, to cancel a step, to retry steps that were lost in the middle of an
        effect, or to fork: a new run from a step, or from what failed, on.

        Example: run_id="run_…", action="retry", step="commit"
        """
        return await (await self._work.get()).control(args, ctx)

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
                uri="astro://workflows/{name}/picture",
                name="workflow_picture",
                title="A picture of a template",
                description="The template's steps as SVG.",
                mime=SVG,
                read=self._read_template_svg,
                complete=self._complete_template,
            ),
            Resource(
                uri="astro://workflows/{name}/mermaid",
                name="workflow_mermaid",
                title="A template in Mermaid",
                description="The template's steps as a Mermaid flowchart.",
                mime=MERMAID,
                read=self._read_template_mermaid,
                complete=self._complete_template,
            ),
            Resource(
                uri="astro://plans/{sha256}/picture",
                name="plan_picture",
                title="A picture of a checked workflow",
                description="The steps of a document that workflow_check found sound, as SVG.",
                mime=SVG,
                read=self._read_plan_svg,
            ),
            Resource(
                uri="astro://plans/{sha256}/mermaid",
                name="plan_mermaid",
                title="A checked workflow in Mermaid",
                description="The same steps as a Mermaid flowchart.",
                mime=MERMAID,
                read=self._read_plan_mermaid,
            ),
            Resource(
                uri="astro://runs/{run_id}",
                name="run",
                title="A workflow run",
                description="Status, inputs, outputs and steps of a run.",
                mime=JSON,
                read=self._read_run,
                complete=self._complete_run,
                watch=self._watch,
            ),
            Resource(
                uri="astro://runs/{run_id}/history",
                name="history",
                title="What happened to a run",
                description="Every event of a run, in order, one JSON object a line.",
                mime=LINES,
                read=self._read_history,
                complete=self._complete_run,
                watch=self._watch_history,
            ),
            Resource(
                uri="astro://runs/{run_id}/steps/{step}",
                name="step",
                title="A step of a run",
                description="One step with its whole output.",
                mime=JSON,
                read=self._read_step,
                watch=self._watch,
            ),
            Resource(
                uri="astro://runs/{run_id}/picture",
                name="run_picture",
                title="A picture of a run",
                description="A run's steps and how they are, as SVG.",
                mime=SVG,
                read=self._read_run_svg,
                complete=self._complete_run,
                watch=self._watch,
            ),
            Resource(
                uri="astro://runs/{run_id}/mermaid",
                name="run_mermaid",
                title="A run in Mermaid",
                description="A run's steps and how they are, as a Mermaid flowchart.",
                mime=MERMAID,
                read=self._read_run_mermaid,
                complete=self._complete_run,
                watch=self._watch,
            ),
        )

    async def health(self) -> Health:
        return await (await self._work.get()).health()

    async def _read_templates(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).read_templates(session, variables)

    async def _read_template(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).read_template(session, variables)

    async def _read_run(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).read_run(session, variables)

    async def _read_history(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).read_history(session, variables)

    async def _read_template_svg(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).picture_template(variables["name"], SVG)

    async def _read_template_mermaid(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).picture_template(variables["name"], MERMAID)

    async def _read_plan_svg(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).picture_plan(session, variables["sha256"], SVG)

    async def _read_plan_mermaid(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).picture_plan(session, variables["sha256"], MERMAID)

    async def _read_run_svg(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).picture_run(session, variables["run_id"], SVG)

    async def _read_run_mermaid(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).picture_run(session, variables["run_id"], MERMAID)

    async def _read_step(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).read_step(session, variables)

    async def _watch(self, session: Session, variables: dict[str, str]) -> AsyncIterator[None]:
        return await (await self._work.get()).watch(session, variables)

    async def _watch_history(self, session: Session, variables: dict[str, str]) -> AsyncIterator[None]:
        return await (await self._work.get()).watch_history(session, variables)

    async def _complete_template(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).complete_template(session, prefix)

    async def _complete_run(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).complete_run(session, prefix)
