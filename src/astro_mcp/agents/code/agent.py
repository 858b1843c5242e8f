"""The code agent: one tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from astro_mcp.agents.code.model import CodeInput, CodeOutput
from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Session
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.tool import later, tool
from astro_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from astro_mcp.agents.code.work import CodeWork  # loaded after the start, or with the first call

LONGEST_CALL: Final = 7_500.0


def _effects(args: CodeInput) -> frozenset[Effect]:
    effects = {Effect.EXECUTE}
    if args.packages or args.project:
        effects.add(Effect.NETWORK)
    if args.paths or args.project:
        effects.add(Effect.READ)
    return frozenset(effects)


class CodeAgent(Agent):
    """Runs code in fresh, hardened containers on copies of workspace files."""

    name: ClassVar[str] = "code"
    title: ClassVar[str] = "Code"

    def __init__(self, work: Deferred[CodeWork], *, egress: bool = False) -> None:
        """`egress`: the operator opened hosts to it, so that every call has the effect network."""
        self._work = work
        self.always = frozenset({Effect.NETWORK}) if egress else frozenset()

    @tool(
        title="Run code",
        effects={Effect.READ, Effect.EXECUTE, Effect.NETWORK},
        effects_of=_effects,
        least={Effect.EXECUTE},
        on_copy=True,
        leaves=later,
        timeout=LONGEST_CALL,
        frees=lambda args: args.end_session and not args.code,
    )
    async def code_run(self, args: CodeInput, ctx: Context) -> CodeOutput:
        """Use to compute, analyse data, draw, or try code: Python or another language in a fresh Docker sandbox without
        network, on a copy of `paths`. Files written to ./out come back as artifacts, the value of Python's last
        expression as `result`.

        There is no network unless the operator allowed hosts, and nothing in the workspace changes.
        `session="name"` keeps interpreter and workspace for the next call of that name, until one with `end_session`, a
        while without any, or an end that no interpreter survives (`session_ended`). With empty `code`, `end_session`
        ends it at once: a turn that goes on is cancelled. Results carry the labels of all that came into the session,
        and one that holds workspace files takes a grant that reads.
        A language is what a manifest below tools/languages/ says; some have an image that is made once, by
        `astro-mcp sandbox build --language NAME`. Where a compiler refuses the program `built` is false, and exit code
        and stderr are the compiler's.
        `project` names a folder whose packages are installed: those of its pylock.toml, uv.lock, poetry.lock or
        Pipfile.lock (the first that there is), with versions and hashes as they are pinned, else of `[project]`,
        `[tool.poetry]`, requirements.txt and Pipfile; for JavaScript and TypeScript those of its package-lock.json,
        else of package.json. `left_out` tells what was not. A package of Python without a wheel is built from source
        where an operator named it in `sandbox.build_from_source`.
        Where the operator's `sandbox.egress` names hosts and ports, programs reach those through the proxy that the
        usual variables name (HTTP_PROXY and its like; not Node's own fetch), and nothing else. `egress` in the result
        tells what was reached and what was refused, and why.
        `INPUT` holds the parsed `input`. Open matplotlib figures are saved as figure-N.png. A failing program is a
        successful call with its exit code. `limits_hit` tells what ran out: timeout, memory, processes, disk, output,
        files, network.

        Example: `{"packages": ["numpy"], "input": "[1, 2]", "code": "import numpy\\nnumpy.mean(INPUT)"}`.
        """
        if args.end_session and not args.session:
            raise InvalidInput("end_session is given, and no session", "name the session that is to end")
        if not args.code and not args.end_session:
            raise InvalidInput("code is empty", "write the program")
        work = await self._work.get()
        return await work.run(args, ctx) if args.code else work.end(args, ctx)

    async def state(self, session: Session) -> dict[str, Any]:
        """The caller's sessions."""
        work = self._work.built
        return {"sessions": work.sessions(session.scope) if work else []}

    async def health(self) -> Health:
        return await (await self._work.get()).health()
