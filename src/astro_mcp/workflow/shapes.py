"""What the workflow tools take and give."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from astro_mcp.core.authority import Effect
from astro_mcp.core.model import Document, Input, Output, Page

GUIDE: Final = "astro://guides/workflows"
Wait = Annotated[float, Field(25.0, ge=0, le=240, description="For the end or a question.")]


def _listed(value: object) -> object:
    """`read, write` and `["read"]` as text are lists too."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.lstrip().startswith("[") else [part.strip() for part in value.split(",")]
    except RecursionError:
        raise ValueError("a list of words is wanted") from None


Effects = Annotated[list[Effect], BeforeValidator(_listed)]
Value = Annotated[str, BeforeValidator(lambda v: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))]
DEFAULT_ALLOW = (Effect.READ, Effect.EXECUTE, Effect.NETWORK)


class Shape(BaseModel):
    """A part of an output."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class CheckInput(Input):
    inputs: Document = Field("", description="The run's inputs, as JSON; checked too if given.")
    spec: Document = Field(description="The workflow, as JSON or YAML.")


class RunInput(Input):
    template: str = Field("", description="Name of a template; or give spec.")
    inputs: Document = Field("", description="Its inputs, as JSON.")
    allow: Effects = Field(list(DEFAULT_ALLOW), description="What the steps may do.")
    priority: Literal["low", "normal", "high"] = Field("normal", description="Its share of the workers.")
    wait_seconds: Wait
    spec: Document = Field("", description="The workflow, as JSON or YAML.")


class StatusInput(Input):
    run_id: str = Field("", description="The run; none: the list of your runs.")
    wait_seconds: Wait


class AnswerInput(Input):
    run_id: str = Field(description="The run.")
    step: str = Field(description="The step that waits.")
    value: Value = Field(description="The answer: JSON, or text; true or false for a gate.")


class ControlInput(Input):
    run_id: str = Field(description="The run.")
    action: Literal["pause", "resume", "retry", "cancel", "fork"] = Field(
        description="cancel: the step, or the run without one."
    )
    step: str = Field("", description="The step.")


class PlanStep(Shape):
    """One step of a plan."""

    id: str
    kind: str
    tool: str = ""
    needs: list[str]


class ProblemShape(Shape):
    """One thing wrong."""

    path: str
    reason: str
    corrected: str


class CheckOutput(Output):
    valid: bool
    plan: list[PlanStep]
    picture: str = ""
    effects: list[str]
    worktree: str = ""
    problems: list[ProblemShape]
    nearest_examples: list[str]
    guide: str = ""

    def text(self) -> str:
        if not self.valid:
            lines = [f"not valid, {len(self.problems)} problems:"]
            lines += [
                f"- {p.path}: {p.reason}" + (f"  (use: {p.corrected})" if p.corrected else "") for p in self.problems
            ]
        else:
            lines = [f"valid; effects: {', '.join(self.effects) or 'none'}; {len(self.plan)} steps:"]
            lines += [f"in a git worktree of the run's own, from {self.worktree}"] if self.worktree else []
            lines += [
                f"- {s.id}: {s.tool or s.kind}" + (f" after {', '.join(s.needs)}" if s.needs else "") for s in self.plan
            ]
            lines.append(f"picture: {self.picture}")
        if self.guide:
            lines.append(f"the language: {self.guide}")
        if self.nearest_examples:
            lines.append(f"examples: {', '.join(f'astro://workflows/{name}' for name in self.nearest_examples)}")
        return "\n".join(lines)


class Waiting(Shape):
    """What a run waits for: an ask, an approval, or a decision about a lost step. `shown` and `answer` are JSON."""

    step: str
    kind: str
    text: str
    level: str = ""
    shown: str = ""
    answer: str = ""

    def line(self) -> str:
        extra = "".join(
            f"\n  {name}: {value}"
            for name, value in (("with", self.shown), ("answer", self.answer), ("level", self.level))
            if value
        )
        return f"{self.kind} {self.step}: {self.text}{extra}"


class ErrorShape(Shape):
    code: str
    message: str
    hint: str = ""

    def line(self) -> str:
        return f"{self.code}: {self.message}" + (f" (hint: {self.hint})" if self.hint else "")


class WorktreeShape(Shape):
    """The worktree of a run: its branch and, once it is closed, the commit that this is at ("" where nothing was
    changed). `left` says why its folder, `path`, is still there; `merge` is what a person runs to have the changes, and
    `told` all of it in a line."""

    phase: str
    branch: str = ""
    sha: str = ""
    path: str = ""
    left: str = ""
    merge: str = ""
    told: str


class RunOutput(Output):
    run_id: str
    status: str
    progress: str
    outputs: dict[str, Any] = Field(default_factory=dict)
    outputs_uri: str = ""
    worktree: WorktreeShape | None = None
    waiting_for: list[Waiting] = Field(default_factory=list)
    error: ErrorShape | None = None
    next: str = ""

    def text(self) -> str:
        return "\n".join(run_lines(self))


class StepLine(Shape):
    """One step of a run, or one of its instances; `ms` is what it took."""

    id: str
    tool: str = ""
    status: str
    attempts: int = 0
    ms: int | None = None
    result_uri: str = ""
    error: str = ""

    def line(self) -> str:
        parts = [f"{self.id}: {self.status}", self.tool, f"{self.ms} ms" if self.ms is not None else ""]
        parts += [f"{self.attempts} attempts" if self.attempts > 1 else "", self.result_uri, self.error]
        return "  ".join(part for part in parts if part)


class StatusOutput(Page):
    paged: ClassVar[str | None] = "steps"
    run_id: str = ""
    status: str = ""
    progress: str = ""
    outputs: dict[str, Any] = Field(default_factory=dict)
    outputs_uri: str = ""
    worktree: WorktreeShape | None = None
    waiting_for: list[Waiting] = Field(default_factory=list)
    error: ErrorShape | None = None
    next: str = ""
    steps: list[StepLine] = Field(default_factory=list)

    def text(self) -> str:
        if not self.run_id:
            return "\n".join(
                ["your runs:", *(f"{s.id}: {s.status}  {s.tool}" for s in self.steps)] if self.steps else ["no runs"]
            )
        return "\n".join([*run_lines(self), *(f"- {step.line()}" for step in self.steps)])


class AnswerOutput(Output):
    run_id: str
    status: str
    waiting_for: list[Waiting] = Field(default_factory=list)
    next: str = ""

    def text(self) -> str:
        lines = [f"{self.run_id}: {self.status}", *(item.line() for item in self.waiting_for)]
        return "\n".join([*lines, *([f"next: {self.next}"] if self.next else [])])


class ControlOutput(AnswerOutput):
    pass


def run_lines(run: RunOutput | StatusOutput) -> list[str]:
    """A run in lines: how it is, what it gave or wants, and what to call next."""
    lines = [f"{run.run_id}: {run.progress or run.status}"]
    lines += [run.error.line()] if run.error else []
    lines += [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in run.outputs.items()]
    lines += [f"outputs: {run.outputs_uri}"] if run.outputs_uri else []
    lines += [run.worktree.told] if run.worktree else []
    lines += [item.line() for item in run.waiting_for]
    return [*lines, *([f"next: {run.next}"] if run.next else [])]
