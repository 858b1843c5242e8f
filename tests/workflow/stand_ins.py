"""Small tools in the shapes of those that need Docker or the network, over the files of the test's own folder.

`toy_test_run` counts lines `a == b` of *.case files; `toy_lint_check` finds tabs in *.py; `toy_code_run` runs the
test's own program; `toy_web_search` and `toy_web_fetch` know the pages of pages.json, where each fetch takes the next
answer.
"""

from __future__ import annotations

import contextlib
import io
import json
import traceback
from pathlib import Path

from astro_mcp.agents.code.model import CodeInput, CodeOutput
from astro_mcp.agents.lint.models import CheckInput, CheckOutput, Finding
from astro_mcp.agents.search.models import FetchInput, FetchOutput, Found, SearchInput, SearchOutput
from astro_mcp.agents.tests.models import Counts, Failure, RunInput, RunOutput
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Context
from astro_mcp.core.tool import tool
from astro_mcp.errors import NotFound, ProviderFailed


def root(ctx: Context) -> Path:
    return ctx.session.grant.roots[0]


class StandIns(Agent):
    """What stands in for Docker and the network."""

    name = "toys"
    title = "Stand-ins"

    def __init__(self) -> None:
        self.fetched: dict[str, int] = {}

    @tool(title="Test", effects={Effect.READ})
    async def toy_test_run(self, args: RunInput, ctx: Context) -> RunOutput:
        """Use to count which lines of *.case files hold."""
        failures, passed = [], 0
        for path in sorted(root(ctx).glob("*.case")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                left, _, right = line.partition(" == ")
                if left == right:
                    passed += 1
                else:
                    at = f"{path.name}::{number}"
                    failures.append(
                        Failure(id=at, file=path.name, line=number, message=f"{left} is not {right}", trace="")
                    )
        counts = Counts(passed=passed, failed=len(failures), total=passed + len(failures))
        return RunOutput(counts=counts, failures=failures, slowest=[], exit_code=bool(failures), run_ms=0)

    @tool(title="Lint", effects={Effect.READ})
    async def toy_lint_check(self, args: CheckInput, ctx: Context) -> CheckOutput:
        """Use to find tabs in *.py files."""
        found = []
        paths = [*root(ctx).glob("*.py")] if "." in args.paths else [root(ctx) / one for one in args.paths]
        for path in sorted(paths):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if "\t" in line:
                    told = {"tool": "toy", "rule": "W191", "severity": "warning", "message": "a tab", "fixable": True}
                    found.append(Finding(file=path.name, line=number, column=1, **told))
        return CheckOutput(items=found, total=len(found), tools_run=["toy"])

    @tool(title="Run", effects={Effect.READ})
    async def toy_code_run(self, args: CodeInput, ctx: Context) -> CodeOutput:
        """Use to run a program that the test itself wrote."""
        out, error, code = io.StringIO(), "", 0
        try:
            with contextlib.redirect_stdout(out):
                exec(args.code, {})
        except Exception:  # noqa: BLE001 - whatever the program raises is its result
            error, code = traceback.format_exc(), 1
        return CodeOutput(exit_code=code, stdout=out.getvalue().strip(), stderr=error, queued_ms=0, run_ms=0)

    @tool(title="Search", effects={Effect.READ})
    async def toy_web_search(self, args: SearchInput, ctx: Context) -> SearchOutput:
        """Use to find the pages of pages.json."""
        items = [
            Found(rank=n, title=url, url=url, snippet="", published="", providers=["toy"])
            for n, url in enumerate(json.loads((root(ctx) / "pages.json").read_text()), 1)
        ]
        return SearchOutput(items=items[: args.max_results], total=len(items))

    @tool(title="Fetch", effects={Effect.READ}, idempotent=True)
    async def toy_web_fetch(self, args: FetchInput, ctx: Context) -> FetchOutput:
        """Use to read a page of pages.json: its next answer, the last one again and again; null is a failure."""
        pages = json.loads((root(ctx) / "pages.json").read_text())
        if args.url not in pages:
            raise NotFound(f"there is no page {args.url}")
        key = f"{root(ctx)} {args.url}"
        number = self.fetched[key] = self.fetched.get(key, 0) + 1
        text = pages[args.url][min(number, len(pages[args.url])) - 1]
        if text is None:
            raise ProviderFailed("not now")
        return FetchOutput(
            url_final=args.url, title=text[:9], characters=len(text), stripped=0, sha256="", markdown=text
        )
