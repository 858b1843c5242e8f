"""What the code is given besides what the caller names: the packages of a project, in its language's own files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astro_mcp.agents.code.model import CodeInput
from astro_mcp.agents.code.project import wanted_by
from astro_mcp.core.call import Context
from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.packs import Registry
from astro_mcp.sandbox.packages.npm import platform
from astro_mcp.sandbox.packages.npm_project import LOCK_BYTES, LOCKS, MANIFEST, MANIFEST_BYTES, OTHER_LOCKS, named
from astro_mcp.sandbox.packages.npm_project_lock import locked
from astro_mcp.sandbox.packages.npm_requirements import split
from astro_mcp.sandbox.packages.order import NO_PINS, Pins
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Needs:
    """Names with versions, what is pinned of them, and what was left out, with reasons."""

    requirements: Sequence[str] = ()
    pins: Pins = NO_PINS
    left_out: Sequence[str] = ()


async def needed_by(
    args: CodeInput, registry: Registry | None, workspace: Workspace, sandbox: Sandbox, ctx: Context
) -> Needs:
    """What the folder `args.project` says, where there is one. Raises `NotFound` where it says nothing, `InvalidInput`
    where what it says can't be read or had, and what `Workspace.locate` and `Workspace.read` do."""
    if not args.project:
        return Needs()
    if registry == "npm":
        return await _of_npm(args, workspace, sandbox, ctx)
    wanted = await wanted_by(args.project, workspace, sandbox, ctx)
    return Needs(wanted.requirements, Pins(wanted.hashes), wanted.left_out)


async def _of_npm(args: CodeInput, workspace: Workspace, sandbox: Sandbox, ctx: Context) -> Needs:
    place = workspace.locate(ctx.session, args.project)
    names = (*LOCKS, MANIFEST, *OTHER_LOCKS)
    there = await workspace.quickly(lambda: [name for name in names if (place.path / name).is_file()])

    async def read(name: str, limit: int) -> bytes:
        return await workspace.read(workspace.locate(ctx.session, str(place.path / name)), limit)

    if lock := next((name for name in there if name in LOCKS), None):
        return await _pinned(args, lock, await read(lock, LOCK_BYTES), workspace, sandbox)
    if MANIFEST not in there:
        raise NotFound(
            f"{place.display} has no lock file and no package.json",
            "name a folder with a package-lock.json, npm-shrinkwrap.json or package.json",
        )
    text = await read(MANIFEST, MANIFEST_BYTES)
    found = await workspace.quickly(lambda: named(text, [name for name in there if name in OTHER_LOCKS]))
    asked = {split(requirement.strip())[0] for requirement in args.packages}
    return Needs(found.requirements, Pins(optional=found.optional - asked), found.left_out)


async def _pinned(args: CodeInput, lock: str, data: bytes, workspace: Workspace, sandbox: Sandbox) -> Needs:
    if args.packages:
        raise InvalidInput(
            f"{lock} pins all that is installed, and packages are asked for besides",
            "add them to the project and lock it anew, or leave project out",
        )
    there = platform(await sandbox.python())
    found = await workspace.quickly(lambda: locked(lock, data, there))
    return Needs(pins=Pins(locked=found.packages), left_out=found.left_out)
