"""The App and its door, opened together: what the daemon and the in-process server have in common."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final

import anyio
import anyio.to_thread

from astro_mcp.app.app import App, open_app
from astro_mcp.daemon.door import Door
from astro_mcp.daemon.hello import Terms
from astro_mcp.daemon.lock import FolderLock
from astro_mcp.packs import Pack
from astro_mcp.shim.hello import digests, network
from astro_mcp.shim.place import VERSION
from astro_mcp.workspace.roots import own_folders

FACE: Final = "astro_mcp.faces.mcp.face"


@asynccontextmanager
async def open_house(lock: FolderLock, stop: Callable[[], None]) -> AsyncIterator[tuple[App, Door]]:
    """Open the App while the protocol's half second of imports goes on beside it."""
    environment = dict(os.environ)
    async with anyio.create_task_group() as group:
        loaded = anyio.Event()

        async def load() -> None:
            await anyio.to_thread.run_sync(import_module, FACE)
            loaded.set()

        group.start_soon(load)
        async with open_app(lock.folder, environment) as app:
            await loaded.wait()
            yield app, _door(app, lock, stop, environment)


def _door(app: App, lock: FolderLock, stop: Callable[[], None], environment: dict[str, str]) -> Door:
    from astro_mcp.faces.mcp.face import McpFace  # noqa: PLC0415 - loaded by then, in a thread

    pack = Pack.find()
    refused = own_folders(lock.folder, pack.tools, pack.resources, *app.settings.workflow.temporal.own_folders)
    terms = Terms(
        app.settings, refused, tuple(app.registry.agents), os.geteuid(), digests(environment), network(environment)
    )
    face = McpFace(app.dispatcher, app.artifacts, pack.resources / "prompts", VERSION)

    def status() -> dict[str, Any]:
        facts = {**lock.facts, "folder": str(lock.folder), "version": VERSION}
        return {**facts, "connections": door.connections - 1, "active": app.active()}  # the asker does not count

    door = Door(face, terms, status, stop)
    return door
