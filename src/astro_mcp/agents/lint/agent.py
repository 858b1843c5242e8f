"""The lint agent: one tool over every linter that has a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from astro_mcp.agents.lint.models import CheckInput, CheckOutput
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.tool import tool

if TYPE_CHECKING:
    from astro_mcp.agents.lint.work import LintWork  # loaded after the start, or with the first call

TOOL_SECONDS: Final = 2_000.0
"""Longer than the building of an image and a run together; each of them has a deadline of its own."""


class LintAgent(Agent):
    """Runs linters on a copy, in containers without a network."""

    name = "lint"
    title = "Lint"

    def __init__(self, work: Deferred[LintWork]) -> None:
        self._work = work

    @tool(
        title="Check with linters",
        effects={Effect.READ, Effect.EXECUTE, Effect.NETWORK},
        idempotent=True,
        on_copy=True,
        timeout=TOOL_SECONDS,
        labels={Label.PRIVATE, Label.UNTRUSTED},
        needs_root=True,
    )
    async def lint_check(self, args: CheckInput, ctx: Context) -> CheckOutput:
        """Use before a commit, or to see what is wrong with code without running it: findings of every linter that fits
        the files (Python: ruff), each with file, line, column, rule and severity. Runs on a copy in a container without
        a network, with the project's own linter settings. Findings are a result, not an error.

        A linter runs where there are files of its kind; `tools` names those that should run instead. What should have
        run and could not is in `missing_tools` and `failed_tools`, so that no finding means that all is clean.

        `since_ref` (a branch, a tag, a commit) gives what is new since then alone. Findings are matched by what they
        say and the text that they stand on: code that moved, within a file or to another, is not new; a copy is. Both
        sides are looked at with the settings of now. `sarif_uri` holds all findings as SARIF 2.1.0.

        Example: `{"paths": ["src"], "min_severity": "warning"}`.
        """
        return await (await self._work.get()).check(args, ctx)
