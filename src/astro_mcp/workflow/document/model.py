"""The words of a document. Unknown ones are errors."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from astro_mcp.core.authority import Level

STEP_ID: Final = r"^[a-z][a-z0-9_]{0,39}$"
MANY: Final = 200
"""Steps, inputs, outputs, needs and fields of an answer at most."""
ITEMS: Final = 10_000
"""What a foreach goes over at most."""
NAME: Final = r"[a-z][a-z0-9-]{0,59}"
VERSION: Final = r"[0-9]{1,6}(\.[0-9]{1,6}){0,2}"
RESCUE: Final = "on_failure"
RESERVED: Final = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("namespace", "null", "package", "return", "true", "var", "void", "while"),
    }
)
"""Words that CEL keeps for itself (its language definition, section "Syntax"): `steps.in` is no reference there."""
_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST: Final = 30 * 86400.0
WORKTREE: Final = "worktree"
TypeName = Literal["string", "integer", "number", "boolean", "array", "object"]


def duration(value: object) -> object:
    """Seconds, from a number or `500ms`, `10s`, `10m`, `1h`, `2d`."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|)", value.strip()) if isinstance(value, str) else None
    return float(found[1]) * _UNITS[found[2]] if found else value


Seconds = Annotated[float, BeforeValidator(duration), Field(gt=0, le=LONGEST)]


class Words(BaseModel):
    """One mapping of the document."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, frozen=True, populate_by_name=False, hide_input_in_errors=True
    )


class Items(Words):
    """What a list holds."""

    type: TypeName


class InputSpec(Words):
    """One input: without a default it must be given."""

    type: TypeName = "string"
    items: Items | None = None
    default: Any = None
    description: str = ""

    @property
    def required(self) -> bool:
        return "default" not in self.model_fields_set


class Retry(Words):
    """Attempts in all, and the pauses between them: initial, times backoff each time, up to the longest."""

    max_attempts: int = Field(3, ge=1, le=20)
    initial_interval: Seconds = 1.0
    backoff: float = Field(2.0, ge=1, le=10)
    max_interval: Seconds = 60.0


class Repeat(Words):
    """Rounds of a body until a condition holds after one."""

    max: int = Field(ge=1, le=100)
    until: str = Field(min_length=1)


class Approve(Words):
    """A gate: what is asked, and whose word it takes."""

    message: str = Field(min_length=1, max_length=4000)
    level: Level = Level.MODEL


class Budget(Words):
    """What a run may use up."""

    calls: int = Field(1000, ge=1, le=100_000)


Steps = Annotated[list["StepSpec"], Field(min_length=1, max_length=100)]


class StepSpec(Words):
    """One step: exactly one of tool, do, ask, approve, workflow."""

    id: str = Field(pattern=STEP_ID)
    tool: str | None = None
    do: Steps | None = None
    workflow: str | None = Field(None, pattern=rf"^{NAME}(@{VERSION})?$")
    ask: str | None = Field(None, min_length=1, max_length=20_000)
    approve: Approve | None = None
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    answer: dict[str, TypeName] = Field(default_factory=dict, max_length=MANY)
    needs: Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = Field(
        default_factory=list, max_length=MANY
    )
    if_: Annotated[str | None, BeforeValidator(lambda v: str(v).lower() if isinstance(v, bool) else v)] = Field(
        None, alias="if"
    )
    foreach: str | Annotated[list[Any], Field(max_length=ITEMS)] | None = None
    max_parallel: int | None = Field(None, ge=1, le=64)
    repeat: Repeat | None = None
    retry: Retry | None = None
    timeout: Seconds | None = None
    timeout_minutes: float | None = Field(None, alias="timeout-minutes", gt=0, le=LONGEST / 60)
    continue_on_error: bool = Field(False, alias="continue-on-error")
    on_failure: Steps | None = None

    @property
    def uses(self) -> str:
        """The name of the workflow that it runs, without its version."""
        return (self.workflow or "").partition("@")[0]

    @property
    def seconds(self) -> float | None:
        """The timeout, whichever way it was written."""
        return self.timeout_minutes * 60 if self.timeout is None and self.timeout_minutes else self.timeout

    @model_validator(mode="after")
    def _whole(self) -> StepSpec:
        kinds = [name for name in KINDS if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"a step has exactly one of {', '.join(KINDS)}; this one has {' and '.join(kinds) or 'none'}"
            )
        if self.id == RESCUE or self.id in RESERVED:
            raise ValueError(f"`{self.id}` is a word of the language: name the step otherwise")
        only = {"answer": "ask", "retry": "tool"}
        for word, kind in only.items():
            if getattr(self, word) and kinds != [kind]:
                raise ValueError(f"`{word}` belongs to a step with `{kind}`")
        if self.with_ and kinds[0] not in ("tool", "ask", "workflow"):
            raise ValueError("`with` belongs to a step with `tool`, `ask` or `workflow`")
        if self.repeat and (self.do is None or self.foreach is not None):
            raise ValueError("`repeat` belongs to a step with `do` and without `foreach`")
        if self.max_parallel and self.foreach is None:
            raise ValueError("`max_parallel` belongs to a step with `foreach`")
        if self.timeout is not None and self.timeout_minutes is not None:
            raise ValueError("`timeout` and `timeout-minutes` say the same; keep one")
        if self.on_failure and self.foreach is not None and self.do is None:
            raise ValueError("a `foreach` does not fail; `on_failure` belongs to its items: write `do: [step]` with it")
        return self


KINDS: Final = ("tool", "do", "ask", "approve", "workflow")


class Document(Words):
    """A workflow. A run of it begins `delay` after it was accepted, and `timeout` counts from there. `workspace` says
    where its steps write: in the root itself, or in a git worktree of the run's own. `workflows` are others, by name,
    that its steps may run besides the templates."""

    name: str = Field("workflow", min_length=1, max_length=80)
    version: Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)] = Field(
        "", pattern=rf"^({VERSION})?$"
    )
    description: str = Field("", max_length=2000)
    inputs: dict[str, InputSpec] = Field(default_factory=dict, max_length=MANY)
    steps: list[StepSpec] = Field(min_length=1, max_length=MANY)
    on_failure: Steps | None = None
    outputs: dict[str, Any] = Field(default_factory=dict, max_length=MANY)
    delay: Seconds | None = None
    timeout: Seconds | None = None
    budget: Budget = Budget()
    workspace: Literal["in_place", "worktree"] = "in_place"
    workflows: dict[Annotated[str, Field(pattern=rf"^{NAME}$")], Document] = Field(default_factory=dict, max_length=50)

    @property
    def calls(self) -> int | None:
        """The bound of its calls, where it names one."""
        return self.budget.calls if "budget" in self.model_fields_set else None
