"""A source distribution becomes a wheel: by its own build (PEP 517), in a container of its own that has no network.

The container is as every other: unprivileged, read-only, bounded, used once. Its image holds what the build asks for,
and that came as wheels. What it hands back is hostile: one wheel of the name and version that were fetched, or nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from astro_mcp.config import SandboxSettings
from astro_mcp.core.call import Progress
from astro_mcp.errors import AstroError, InvalidInput, LimitHit, ProviderFailed, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.answer import Answer
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.maker import Maker
from astro_mcp.sandbox.packages.build_system import BuildSystem, build_system, names
from astro_mcp.sandbox.packages.built_wheels import BuiltWheels
from astro_mcp.sandbox.packages.order import Order
from astro_mcp.sandbox.packages.requirements import digest
from astro_mcp.sandbox.packages.wheels import Sdist
from astro_mcp.sandbox.pool import Sort

LARGEST: Final = 64 << 20
SAID: Final = 8 << 20
"""Bytes of a build's output: the last of them tell why it failed."""
OURS: Final = ".astro"
PROGRAM: Final = f"{OURS}/build_wheel.py"
TOLD: Final = f"{OURS}/build.json"
PROJECT: Final = "pyproject.toml"
REQUIRES: Final = "requires.json"
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_.!+-]{1,200}\.whl")
COMPILER: Final = re.compile(
    r"(command '[^']*(gcc|g\+\+|cc|c\+\+|clang|gfortran)'? failed: No such file"
    r"|(gcc|g\+\+|cc|c\+\+|clang|gfortran|make|cmake|ninja|cargo|rustc)'?: (command )?not found"
    r"|No such file or directory: '[^']*(gcc|g\+\+|cc|clang|gfortran|make|cmake|cargo|rustc)'"
    r"|Unknown compiler\(s\)|No CMAKE_C\w*_COMPILER|[Rr]ust (compiler|toolchain)|Python\.h: No such file)"
)
BUILD_HINT: Final = "what it said last is above; a version with a wheel needs no build"
COMPILER_HINT: Final = "it needs a compiler, and the sandbox's image has none: pure Python alone can be built"


class SourceBuilds:
    """`folder` holds the wheels that were built; `program` is `build_wheel.py`."""

    def __init__(
        self,
        settings: SandboxSettings,
        folder: Path,
        maker: Maker,
        program: Path,
    ) -> None:
        self._settings = settings
        self._maker = maker
        self._program = program
        self._kept = BuiltWheels(folder)

    async def build(
        self,
        order: Order,
        source: Sdist,
        image: Callable[[Sequence[str]], Awaitable[str]],
        target: Path,
        progress: Progress,
    ) -> None:
        """Put the wheel of `source` into the folder `target`: the tenant's own from before, or a new one.

        `image` gives an image with packages. Raises `InvalidInput` with the last words of a build that failed, and for
        what is no build or no such wheel; `TooLarge`, `LimitHit`, and whatever `image` does.
        """
        key = digest(order.tenant, order.base_id, source.sha256)
        if await anyio.to_thread.run_sync(self._kept.put, key, target):
            return
        try:
            wheel = await self._build(order, source, image, progress)
        except (InvalidInput, LimitHit) as error:
            raise type(error)(f"{source} can't be built from source: {error.message}", error.hint) from None
        await anyio.to_thread.run_sync(self._kept.keep, key, wheel.path, wheel.data)
        await anyio.to_thread.run_sync(self._kept.put, key, target)

    async def _build(
        self, order: Order, source: Sdist, image: Callable[[Sequence[str]], Awaitable[str]], progress: Progress
    ) -> SandboxFile:
        archive = SandboxFile(f"{OURS}/archive{source.suffix}", await anyio.to_thread.run_sync(_read, source.path))
        await progress(0, None, f"reading what the build of {source} needs")
        found = await self._run(order, order.base, archive, {})
        system = await anyio.to_thread.run_sync(build_system, found[PROJECT].data if PROJECT in found else None)
        given: tuple[str, ...] = ()
        for _ in range(2):
            tag = await image([*system.requires, *names(list(given))])
            await progress(0, None, f"building {source} in the sandbox")
            found = await self._run(order, tag, archive, _told(system, given))
            if list(found) != [REQUIRES]:
                return wheel_of(found, source)
            given = _requires(found[REQUIRES].data)
        raise InvalidInput("its build asks for more each time it is given what it asked for")

    async def _run(
        self, order: Order, image: str, archive: SandboxFile, told: Mapping[str, object]
    ) -> dict[str, SandboxFile]:
        """The files that `build_wheel.py` leaves, in a container of its own."""
        program = await anyio.to_thread.run_sync(self._program.read_bytes)
        request = json.dumps({"archive": f"/workspace/{archive.path}", **told}).encode()
        job = Job(
            argv=("python3", "-I", PROGRAM, TOLD),
            files=(archive, SandboxFile(PROGRAM, program), SandboxFile(TOLD, request)),
            env={"TMPDIR": "/workspace/.tmp"},  # a build may run what it made, and nothing in /tmp can be run
            timeout=float(self._settings.build_timeout_seconds),
        )
        sort = Sort(image, self._settings.of(order.tenant))
        async with await self._maker.make(order.engine, sort) as container:
            answer = await container.carry_out(job, SAID)
        if failed := _failure(answer):
            raise failed
        return answer.files


def wheel_of(found: Mapping[str, SandboxFile], source: Sdist) -> SandboxFile:
    """The one wheel, under the name and version that were fetched. Raises `InvalidInput` for anything else."""
    if len(found) != 1:
        raise InvalidInput(f"its build left {len(found)} files in place of one wheel")
    (wheel,) = found.values()
    try:
        if not FILE_NAME.fullmatch(wheel.path):
            raise InvalidWheelFilename
        name, version, _, _ = parse_wheel_filename(wheel.path)
    except InvalidWheelFilename:
        raise InvalidInput(f"its build left {printable(wheel.path, 100)} in place of a wheel") from None
    if (name, str(version)) != (source.name, source.version):
        raise InvalidInput(f"its build made {printable(f'{name} {version}', 150)}")
    return wheel


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > LARGEST:
        raise TooLarge(f"the source distribution holds {size:,} bytes; {LARGEST:,} are the bound")
    return path.read_bytes()


def _told(system: BuildSystem, given: Sequence[str]) -> dict[str, object]:
    return {"backend": system.backend, "path": system.path, "given": [*system.requires, *given]}


def _requires(data: bytes) -> tuple[str, ...]:
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, list) or not all(isinstance(text, str) for text in asked):
        raise InvalidInput("what its build asks for is no list of names")
    return tuple(asked)


def _failure(answer: Answer) -> AstroError | None:
    """What ended the build, or None where it did what it should."""
    end = answer.end
    if end is not None and end.withheld:
        return TooLarge(f"its build left what is not taken over: {', '.join(map(printable, end.withheld))[:300]}")
    if limits := answer.limits - {"output"}:
        return LimitHit(
            f"its build hit a limit of the sandbox: {', '.join(sorted(limits))}",
            "the limits are those of [sandbox]; build_timeout_seconds is the time",
        )
    if end is None:
        return ProviderFailed("the container ended before the build did", "try again", retryable=True)
    if end.error:
        return LimitHit(f"the files could not be put into the sandbox: {end.error}")
    if not end.code:
        return None
    said = bytes(answer.streams["stdout"] + answer.streams["stderr"]).decode(errors="replace")
    return InvalidInput(last_lines(said) or f"exit {end.code}", COMPILER_HINT if COMPILER.search(said) else BUILD_HINT)


def last_lines(said: str) -> str:
    """The end of what a build said: 12 lines or 1,200 characters, cleaned."""
    lines = [printable(line.rstrip()) for line in said[-8_000:].splitlines() if line.strip()]
    return "\n".join(lines[-12:])[-1_200:]
