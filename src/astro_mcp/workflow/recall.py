"""What a run that is taken up again may fetch: the URLs that its own steps gave, as their stored outputs say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from astro_mcp.core.authority import Ledger
from astro_mcp.core.flow import learn
from astro_mcp.core.tool import Tool
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.kernel.state import RunState


def recall(ledger: Ledger, plan: Plan, state: RunState, tools: Mapping[str, Tool]) -> None:
    """Let `ledger` know of them; takes its time where there is much."""
    learn(ledger, _given(plan, state, tools))


def _given(plan: Plan, state: RunState, tools: Mapping[str, Tool]) -> Iterator[str]:
    for path, step in state.steps.items():
        tool = tools.get(plan.node(path).spec.tool or "") if path and step.output is not None else None
        if tool is None or tool.declaration.gives is None:
            continue
        try:
            yield from tool.declaration.gives(tool.declaration.output.model_validate(step.output))
        except ValidationError:  # an output in the words of a person, or of an older version
            continue
