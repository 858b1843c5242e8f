"""The tests agent: one tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from astro_mcp.agents.tests.models import RunInput, RunOutput
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.tool import later, tool

if TYPE_CHECKING:
    from astro_mcp.agents.tests.work import TestsWork  # loaded after the start, or with the first call


TOOL_SECONDS: Final = 9_000.0
"""Longer than the longest run, its reruns and the building of its image together; each has a deadline of its own."""


class TestsAgent(Agent):
    """Runs a project's tests on a copy, in a container without a network."""

    __test__ = False  # the name is the tool's domain and no test class
    name = "tests"
    title = "Tests"

    def __init__(self, work: Deferred[TestsWork]) -> None:
        self._work = work

    @tool(
        title="Run tests",
        effects={Effect.READ, Effect.EXECUTE, Effect.NETWORK},
        idempotent=True,
        on_copy=True,
        leaves=later,
        timeout=TOOL_SECONDS,
        labels={Label.PRIVATE, Label.UNTRUSTED},
        needs_root=True,
    )
    async def test_run(self, args: RunInput, ctx: Context) -> RunOutput:
        """Use when tests should run: counts, each failure with file, line, trace and history, the slowest; coverage and
        flaky verdicts. On a copy, in a container without network.

        `select`: all that is under `path`; `failed`, those that failed when they last ran; `changed`, those that what
        changed since `since` in the working tree can reach; `ids`, these. What a change can reach goes by imports, and
        by what each test ran where a run with `coverage` told that. What can't be told selects more: a file that no
        test is known to read selects all of them. `selected` says why. State that one test leaves to the next in the
        same process is not seen.

        `reruns`: what failed runs again so many times, each test alone in a fresh container, and has a `verdict`:
        broken (it failed each time), flaky (it passed at times), order_dependent (it fails only after others). At most
        20 tests, and for `timeout` seconds in all.

        `coverage`: lines as coverage.py, jest, vitest or node count them by the project's settings, without branches;
        in all, by file, and of the lines that are new since `since`. Workers of pytest-xdist and forked processes
        count, and what node's tests start; where something does not, `complete` is false and `notes` say what. vitest
        takes @vitest/coverage-v8 or @vitest/coverage-istanbul, which the project has to name. node counts every line
        that holds code, and sources in JavaScript alone. unittest, go, cargo and ctest have no coverage here.

        Failing tests are a result and no error.

        Runners: pytest, unittest, node (node:test), jest, vitest, go, cargo, ctest. Without `runner` it is that of the
        nearest project at or above `path`, as its files tell: pyproject.toml, go.mod, Cargo.toml and their like, and
        what package.json and others name. `other_runners` are those that fit as well. `changed` is for pytest, and for
        jest, vitest and node by whole test files and by imports alone. go takes folders, cargo and ctest take whole
        projects; ids run again in every one of them.

        Python: what the project needs is read from its pylock.toml, uv.lock, poetry.lock or Pipfile.lock (the first
        that there is), with versions and hashes as they are pinned; where there is none, from `[project]`,
        `[tool.poetry]`, Pipfile, and from requirements.txt and requirements-test.txt or alike. Of extras, dependency
        groups and categories those count that are named test, tests or testing (else dev). Packages are fetched as
        wheels. The project is not built: it is imported from its folder or from `src/`, with generated sources that
        .gitignore hides where the folder that they lie in is not hidden. A version that a build makes is 0.0.0.

        JavaScript: what package-lock.json or npm-shrinkwrap.json pins, else what package.json names, with
        devDependencies; no script of a package runs. Locks of pnpm, yarn and bun are not read. Go modules and crates
        are not fetched: they lie in the project (`go mod vendor`, `cargo vendor`).

        Example: `{"path": "tests/test_a.py"}`, then `{"select": "ids", "ids": ["tests/test_a.py::test_b"]}`.
        """
        return await (await self._work.get()).run(args, ctx)
