"""Images with packages: fetched outside, unpacked in a container without network, committed, kept by content."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from astro_mcp.config import SandboxSettings
from astro_mcp.core.call import Progress
from astro_mcp.errors import InvalidInput, LimitHit
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox import hardening, owner, unfinished
from astro_mcp.sandbox.engine import Engine, EngineRefused
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.maker import Maker
from astro_mcp.sandbox.packages.image_records import Records
from astro_mcp.sandbox.packages.requirements import digest
from astro_mcp.sandbox.packages.source import Fetched, Source
from astro_mcp.sandbox.pool import Sort

KIND: Final = "astro-mcp.kind"
BASE: Final = "astro-mcp.base"


class PackageImages:
    """`folder` holds one small record an image. A resolved list of requirements is believed for a while."""

    def __init__(self, settings: SandboxSettings, folder: Path, maker: Maker) -> None:
        self._settings = settings
        self._folder = folder
        self._maker = maker
        self._records = Records(folder)
        self._building: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def get(
        self,
        engine: Engine,
        source: Source,
        base: str,
        facts: Mapping[str, str],
        tenant: str,
        requirements: Sequence[str],
        progress: Progress,
        before: Callable[[], object] | None = None,
    ) -> str:
        """The image with `requirements` on `base`; made where there is none. See `Sandbox.package_image`."""
        wanted = source.canonical(requirements)
        base_id = str((await engine.image(base) or {}).get("Id", ""))
        request = digest(source.kind, tenant, base_id, *source.key, *wanted)
        lock = self._building.setdefault(request, anyio.Lock())
        async with lock:
            known = await anyio.to_thread.run_sync(self._records.resolved, request, source.fresh_seconds)
            if known and await engine.image(known) is not None:
                return known
            if before is not None:
                before()
            return await self._make(engine, source, base, (tenant, base_id), facts, wanted, request, progress)

    async def _make(
        self,
        engine: Engine,
        source: Source,
        base: str,
        belongs: tuple[str, str],
        facts: Mapping[str, str],
        wanted: Sequence[str],
        request: str,
        progress: Progress,
    ) -> str:
        await anyio.to_thread.run_sync(lambda: self._folder.mkdir(parents=True, exist_ok=True, mode=0o700))
        folder = self._folder / unfinished.name()
        await anyio.to_thread.run_sync(lambda: folder.mkdir(mode=0o700))
        try:
            steps = itertools.count()

            async def step(done: float, total: float | None, text: str) -> None:
                await progress(next(steps), None, text)

            with anyio.fail_after(self._settings.build_timeout_seconds):
                if wanted:
                    await step(0, None, f"resolving {', '.join(wanted)}")
                found = await source.fetch(wanted, facts, folder, self._settings.build_timeout_seconds, step)
                tag = f"astro-mcp-{source.kind}:{digest(*belongs, *found.contents)}"
                if await engine.image(tag) is None:
                    await step(0, None, f"installing {len(found.contents)} packages in the sandbox")
                    sort = Sort(base, self._settings.of(belongs[0]))
                    await self._install(engine, source, sort, tag, found, folder)
                    await self._prune(engine, tag)
            await anyio.to_thread.run_sync(self._records.keep, request, tag, found.contents)
            return tag
        except TimeoutError:
            raise LimitHit(
                f"the image took longer than {self._settings.build_timeout_seconds} s",
                "sandbox.build_timeout_seconds is the bound",
            ) from None
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))

    async def _install(
        self, engine: Engine, source: Source, sort: Sort, tag: str, found: Fetched, folder: Path
    ) -> None:
        incoming = PurePosixPath(source.incoming)
        archive = await anyio.to_thread.run_sync(_archive, found, incoming.name, folder / "packages.tar")
        put = partial(_put, folder=str(incoming.parent), archive=archive)
        async with await self._maker.make(engine, sort, put) as container:
            argv = ("python3", "-I", "-S", source.installer, source.incoming)
            job = Job(argv, timeout=float(self._settings.build_timeout_seconds), collect="")
            answer = await container.carry_out(job, 100_000)
            if answer.end is None or answer.end.code:
                raise _refused(bytes(answer.streams["stdout"] or answer.streams["stderr"]), answer.limits)
            repository, _, name = tag.partition(":")
            labels = {KIND: source.kind, BASE: sort.image}
            await engine.call(lambda api: api.wait(container.name, timeout=30))
            await engine.call(lambda api: api.commit(container.name, repository, name, conf={"Labels": labels}))

    async def _prune(self, engine: Engine, newest: str) -> None:
        """Take away the least recently used until the rest fits `images_mb` and the bound of their number; one that is
        in use stays. What a base holds is not counted, as long as the engine has it."""
        began = time.time()
        house = f"{owner.HOUSE}={self._maker.labels[owner.HOUSE]}"
        rows: list[dict[str, Any]] = await engine.call(lambda api: api.images(filters={"label": [KIND, house]}))
        bases = {row["Labels"].get(BASE, "") for row in rows}
        held = {base: int((await engine.image(base) or {}).get("Size", 0)) for base in bases if base}
        sizes = {
            tag: max(0, row["Size"] - held.get(row["Labels"].get(BASE, ""), 0))
            for row in rows
            for tag in row.get("RepoTags") or ()
        }
        for tag in await anyio.to_thread.run_sync(self._records.surplus, sizes, newest, self._settings.images_mb << 20):
            with contextlib.suppress(EngineRefused):
                await engine.call(partial(_remove_image, tag=tag))
                del sizes[tag]
        await anyio.to_thread.run_sync(self._records.only, sizes.keys(), began)


def _archive(found: Fetched, name: str, target: Path) -> Path:
    folder = tarfile.TarInfo(name)
    folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, hardening.USER, hardening.USER
    with tarfile.open(target, "w") as archive:
        archive.addfile(folder)
        for file, path in found.files.items():
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mode, entry.uid, entry.gid = path.stat().st_size, 0o600, hardening.USER, hardening.USER
            with path.open("rb") as data:
                archive.addfile(entry, data)
    return target


def _put(api: Any, container: str, folder: str, archive: Path) -> None:
    with archive.open("rb") as file:
        api.put_archive(container, folder, file)


def _remove_image(api: Any, tag: str) -> None:
    api.remove_image(tag)


def _refused(said: bytes, limits: set[str]) -> InvalidInput | LimitHit:
    if limits:
        return LimitHit(f"installing hit a limit of the sandbox: {', '.join(sorted(limits))}", "ask for fewer packages")
    try:
        text = str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        text = said.decode(errors="replace")
    return InvalidInput(f"the packages could not be installed: {printable(text.strip())[-500:]}")
