"""What a document is checked against, and what a step sees from where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from astro_mcp.core.authority import Effect
from astro_mcp.core.model import Output, flat_schema
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError, TooLarge
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.bounds import EXPRESSIONS
from astro_mcp.workflow.document.model import Document, InputSpec, StepSpec
from astro_mcp.workflow.document.slips import PREFIX, TOOLS


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a document is checked against. `compile_expression` gives the static type or raises an `AstroError`;
    `workflows` are those that its steps may run."""

    tools: Mapping[str, Tool]
    allowed: frozenset[Effect]
    compile_expression: Callable[[str], str]
    workflows: Mapping[str, Document] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    seen: dict[str, AstroError | None] = field(default_factory=dict)

    def compiled(self, source: str) -> AstroError | None:
        """What is wrong with an expression; each is looked at once."""
        if source not in self.seen:
            self.seen[source] = None
            try:
                if len(self.seen) > EXPRESSIONS:
                    reason = f"a document has at most {EXPRESSIONS} different expressions"
                    raise TooLarge(reason, "compute in steps of their own, with code_run")
                self.compile_expression(source)
            except AstroError as error:
                self.seen[source] = error
        return self.seen[source]

    def tool(self, name: str) -> Tool | None:
        """The tool of that name, or the one that is meant."""
        return self.tools.get(name) or self.tools.get(self.meant(name))

    def meant(self, name: str) -> str:
        """The name of the tool that a wrong name means, or nothing."""
        last = PREFIX.sub("", name[:100])
        here = [one for one in (last, TOOLS.get(last.lower(), "")) if one in self.tools]
        return here[0] if here else nearest(last, list(self.tools)) or ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step sees: the steps of its body and of those around it, and whether it stands in an item or a round."""

    steps: Mapping[str, StepSpec]
    inputs: Mapping[str, InputSpec]
    item: bool = False
    last: bool = False


@cache
def output_schema(model: type[Output]) -> dict[str, Any]:
    """The schema of an output, in place of which no reference stands."""
    return flat_schema(model, described=False)


@cache
def output_fields(model: type[Output]) -> tuple[str, ...]:
    """The names that an output's fields have outside, which may be other ones than in the code."""
    return tuple(output_schema(model).get("properties", {}))
