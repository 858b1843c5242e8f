"""What a linter runs in: an image with it, and with the project's packages where it follows imports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astro_mcp.agents.lint.sources import Sources
from astro_mcp.core.call import Context, Progress
from astro_mcp.errors import AstroError, Busy, SandboxUnavailable, Unavailable
from astro_mcp.packs import Linter, Registry
from astro_mcp.sandbox.packages.leaving import listed
from astro_mcp.sandbox.packages.npm import platform
from astro_mcp.sandbox.packages.npm_entries import FOLDER
from astro_mcp.sandbox.packages.npm_project import LOCKS, MANIFEST
from astro_mcp.sandbox.packages.npm_project_lock import locked
from astro_mcp.sandbox.packages.npm_requirements import split
from astro_mcp.sandbox.packages.order import Pins
from astro_mcp.sandbox.packages.project_needs import counts, needs
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LinterImage:
    """`left_out` says which packages of the project it is without, and why; `lasting` is False where the next call may
    have them."""

    tag: str
    left_out: tuple[str, ...] = ()
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class Images:
    """Of one call."""

    sandbox: Sandbox
    workspace: Workspace
    ctx: Context
    progress: Progress

    @property
    def _tenant(self) -> str:
        return self.ctx.session.scope.tenant

    async def of(self, linter: Linter, sources: Sources) -> LinterImage:
        """The image for `linter`. Packages of the project that can't be had are told, and no failure of it; raises
        what the making of its own does."""

        async def progress(done: float, total: float | None, text: str) -> None:
            await self.progress(done, total, f"{linter.name}: {text}")

        base = await self._base(linter)

        async def own(left_out: Sequence[str] = (), *, lasting: bool = True) -> LinterImage:
            packages = linter.image.npm or linter.image.pip
            tag = await self.sandbox.package_image(_registry(linter), base, self._tenant, packages, progress)
            return LinterImage(tag, tuple(left_out), lasting)

        if linter.imports is None:
            return await own()
        try:
            wanted = await (self._of_npm if linter.imports == "npm" else self._of_python)(linter, sources)
            if wanted.pins is None:
                return await own(wanted.left_out)
            registry, ours = _registry(linter), linter.image.npm or linter.image.pip
            leaving = listed(registry, wanted.requirements, wanted.pins, ours)
            tag = await self.sandbox.package_image(
                *(registry, base, self._tenant, wanted.requirements, progress, wanted.pins),
                lambda: self.ctx.let_out(leaving),
            )
            return LinterImage(tag, tuple(wanted.left_out))
        except (SandboxUnavailable, Busy):
            raise
        except AstroError as error:
            return await own([f"packages that the project names ({error.message})"], lasting=False)

    async def _base(self, linter: Linter) -> str:
        """What the packages are put on: the base image, or a language's. Raises `Unavailable` where that is missing."""
        if not linter.image.debian:
            return ""
        await self.sandbox.engine()  # without one the call ends here, and no image is missing
        try:
            return await self.sandbox.language_image(linter.image.debian, linter.install_hint)
        except SandboxUnavailable as error:
            raise Unavailable(error.message, error.hint, retryable=False) from None

    async def _of_python(self, linter: Linter, sources: Sources) -> _Wanted:
        texts = {file.path: file.data for file in sources.files if counts(file.path, len(file.data))}
        python = await self.sandbox.python()
        wanted = await self.workspace.quickly(lambda: needs(texts, python, tests=True))
        for requirement in linter.image.pip:
            wanted.require(requirement)
        return _Wanted(wanted.requirements, Pins(wanted.hashes), wanted.left_out)

    async def _of_npm(self, linter: Linter, sources: Sources) -> _Wanted:
        """What a lock at the top pins, where the linter is among it."""
        top = {file.path: file for file in sources.files if file.path in (*LOCKS, MANIFEST)}
        lock = next((top[name] for name in LOCKS if name in top), None)
        if lock is None:
            locks = " or ".join(LOCKS)
            return _Wanted(left_out=[f"packages that {MANIFEST} names (they come by {locks})"] if top else [])
        there = platform(await self.sandbox.python())
        found = await self.workspace.quickly(lambda: locked(lock.path, lock.data, there, development=True))
        own = split(linter.image.npm[0])[0]
        if not any(package.at == f"{FOLDER}{own}" for package in found.packages):
            return _Wanted(left_out=[*found.left_out, f"packages that the project names ({lock.path} pins no {own})"])
        return _Wanted((), Pins(locked=found.packages), found.left_out)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the project names and the linter with it; `pins` is None where the linter comes without it."""

    requirements: Sequence[str] = ()
    pins: Pins | None = None
    left_out: Sequence[str] = ()


def _registry(linter: Linter) -> Registry:
    return "npm" if linter.image.npm else "pypi"
