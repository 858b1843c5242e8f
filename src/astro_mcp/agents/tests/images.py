"""The image that a project's tests run in: the runner's, with the packages that the project names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astro_mcp.agents.tests.counting import needed
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.vendored import check_cargo, check_go
from astro_mcp.core.call import Context
from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.runner import Runner
from astro_mcp.sandbox.packages.leaving import listed
from astro_mcp.sandbox.packages.npm import platform
from astro_mcp.sandbox.packages.npm_entries import FOLDER
from astro_mcp.sandbox.packages.npm_project import LOCK_BYTES, LOCKS, MANIFEST, MANIFEST_BYTES, OTHER_LOCKS, named
from astro_mcp.sandbox.packages.npm_project_lock import locked
from astro_mcp.sandbox.packages.npm_requirements import split
from astro_mcp.sandbox.packages.order import Pins
from astro_mcp.sandbox.packages.project_needs import needs
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Image:
    """`left_out` has a line for each package that the project names, and that is not in it; `npm` are those of npm
    that it names or locks."""

    name: str
    left_out: tuple[str, ...] = ()
    npm: frozenset[str] = frozenset()


class Images:
    """Made where there are none, and kept by what is in them."""

    def __init__(self, sandbox: Sandbox, workspace: Workspace) -> None:
        self._sandbox = sandbox
        self._workspace = workspace

    async def of(self, runner: Runner, project: Project, more: Sequence[str], ctx: Context, *, counts: bool) -> Image:
        """With the Python packages of `more` as well; `counts` is whether lines are to be counted in it.

        Raises `SandboxUnavailable` where a person has to make the runner's image, `Unsupported` for packages that are
        not fetched, or that counting lines takes and the project does not name, `InvalidInput` for files that can't be
        read, and what `Sandbox.package_image` does.
        """
        base = ""
        if runner.image.debian:
            base = await self._sandbox.language_image(runner.image.debian, runner.install_hint)
        match runner.packages:
            case "pypi":
                return await self._of_pypi((*runner.image.pip, *more), project, base, ctx)
            case "npm":
                return await self._of_npm(runner, project, base, ctx, counts=counts)
            case "go":
                await self._workspace.quickly(lambda: check_go(project.files))
            case "cargo":
                await self._workspace.quickly(lambda: check_cargo(project.files))
        return Image(base)

    async def _of_pypi(self, ours: Sequence[str], project: Project, base: str, ctx: Context) -> Image:
        texts, python = project.texts, await self._sandbox.python()
        wanted = await self._workspace.quickly(lambda: needs(texts, python, tests=True))
        for requirement in ours:
            wanted.require(requirement)
        tenant, pins = ctx.session.scope.tenant, Pins(wanted.hashes)
        leaving = listed("pypi", wanted.requirements, ours=ours)
        name = await self._sandbox.package_image(
            "pypi", base, tenant, wanted.requirements, ctx.progress, pins, lambda: ctx.let_out(leaving)
        )
        return Image(name, tuple(wanted.left_out))

    async def _of_npm(self, runner: Runner, project: Project, base: str, ctx: Context, *, counts: bool) -> Image:
        ours = {split(requirement)[0]: requirement for requirement in runner.image.npm}
        requirements: tuple[str, ...] = ()
        theirs: set[str] = set()
        left_out: tuple[str, ...] = ()
        if lock := next((name for name in LOCKS if name in project.files), None):
            data, there = _within(project, lock, LOCK_BYTES), platform(await self._sandbox.python())
            pinned = await self._workspace.quickly(lambda: locked(lock, data, there, development=True))
            theirs = {package.at.removeprefix(FOLDER) for package in pinned.packages}
            if missing := ours.keys() - theirs:
                raise InvalidInput(
                    f"{lock} does not pin {', '.join(sorted(missing))}",
                    f"npm install --save-dev {' '.join(sorted(missing))}, or name another runner",
                )
            pins, left_out = Pins(locked=pinned.packages), pinned.left_out
        elif MANIFEST in project.files:
            data, others = (
                _within(project, MANIFEST, MANIFEST_BYTES),
                [name for name in OTHER_LOCKS if name in project.files],
            )
            found = await self._workspace.quickly(lambda: named(data, others, development=True))
            theirs = {split(requirement)[0] for requirement in found.requirements}
            requirements = (*found.requirements, *(text for name, text in ours.items() if name not in theirs))
            pins, left_out = Pins(optional=found.optional - ours.keys()), found.left_out
        else:
            pins, requirements = Pins(), tuple(ours.values())
        if counts:
            needed(runner, theirs)
        tenant = ctx.session.scope.tenant
        leaving = listed("npm", requirements, pins, ours.values())
        name = await self._sandbox.package_image(
            "npm", base, tenant, requirements, ctx.progress, pins, lambda: ctx.let_out(leaving)
        )
        return Image(name, left_out, frozenset(theirs))


def _within(project: Project, name: str, limit: int) -> bytes:
    data = project.files[name].data
    if len(data) > limit:
        raise TooLarge(f"{name} has {len(data):,} bytes; {limit:,} is the bound")
    return data
