"""What nobody would answer in a run that nobody watches."""

from __future__ import annotations

import json
from collections.abc import Iterator

from astro_mcp.core.authority import Effect
from astro_mcp.errors import Problem
from astro_mcp.workflow.document.includes import placed
from astro_mcp.workflow.document.model import Document


def unanswered(document: Document, allowed: frozenset[Effect], *, answers: bool) -> Iterator[Problem]:
    """Each ask of the document and of the workflows that it runs which would wait without end: where no model answers,
    or where the run may not use the network, over which the model is asked. Gates are for a person at the terminal."""
    if answers and Effect.NETWORK in allowed:
        return
    reason = "nobody answers an ask of an unattended run: config.toml names no [model]"
    correction = "base_url and name in [model]"
    if answers:
        reason = "the model that answers asks is reached over the network, which this run does not allow"
        correction = f"allow: {json.dumps(sorted(allowed | {Effect.NETWORK}))}"
    for where, one in [("", document), *((f"workflows.{name}.", used) for name, used in document.workflows.items())]:
        for path, step in placed(one, where):
            if step.ask is not None:
                yield Problem(f"{path}.ask", reason, correction)
