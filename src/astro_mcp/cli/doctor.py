"""`astro-mcp doctor`: what this machine has, what is not right, and the one thing to do about each."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.agents.search.agent import check
from astro_mcp.cli.doctor_sandbox import sandbox_checks
from astro_mcp.cli.show import Printer
from astro_mcp.config import Settings, load
from astro_mcp.core.agent import Health
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import AstroError
from astro_mcp.net.client import GuardedClient
from astro_mcp.packs import Pack
from astro_mcp.shim.place import ShimError, data_folder, make_private
from astro_mcp.shim.pump import control
from astro_mcp.workspace.roots import own_folders, usable_roots

SECONDS: Final = 30.0
UNKNOWN: Final = "run it with ASTRO_MCP_HOME=$(mktemp -d); if that is well, move the data folder away"
Check = Callable[[], Awaitable[Health]]


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Every check, at once; status 1 where one is not well."""
    found = anyio.run(_all)
    well = all(health.ok for health in found.values())
    if printer.as_json:
        rows = {name: {"ok": h.ok, "detail": h.detail, "fix": h.fix, "facts": h.facts} for name, h in found.items()}
        printer.json({"ok": well, "checks": rows})
        return not well
    for name, health in found.items():
        printer.line(f"{'ok ' if health.ok else 'NO '} {name:10} {health.detail}", "" if health.ok else "bold red")
        if health.fix:
            printer.line(f"    {'':10} {'→' if health.ok else 'fix:'} {health.fix}", "" if not health.ok else "dim")
    return not well


async def _all() -> dict[str, Health]:
    folder = Path(data_folder(dict(os.environ)))
    settings, trouble = _settings(folder)
    checks: dict[str, Check] = {
        "python": _python,
        "data": lambda: _data(folder),
        "settings": lambda: _given(trouble),
        "daemon": _daemon,
        "workspace": lambda: _workspace(settings, folder),
        "git": _git,
        "ripgrep": _ripgrep,
        "model": _model,
        "search": lambda: _search(settings),
        "schedules": lambda: _schedules(settings, folder),
    }
    if settings.workflow.driver == "temporal":
        checks["temporal"] = lambda: _temporal(settings, folder)
    found: dict[str, Health] = {}

    async def one(name: str, check: Check) -> None:
        found[name] = Health(ok=False, detail=f"no answer within {SECONDS:g} s", fix="try again, then restart it")
        with anyio.move_on_after(SECONDS):
            try:
                found[name] = await check()
            except AstroError as error:
                found[name] = Health(ok=False, detail=error.message, fix=error.hint or UNKNOWN)
            except OSError as error:
                found[name] = Health(ok=False, detail=str(error), fix="choose another ASTRO_MCP_HOME, or mend that")

    async with sandbox_checks(settings.sandbox, folder) as rows, anyio.create_task_group() as group:
        steps = {
            "engine": rows.engine,
            "api": rows.api,
            "image": rows.image,
            "canary": rows.canary,
            "limits": rows.limits,
        }

        async def each_needs_the_one_before() -> None:
            for name, check in steps.items():
                await one(name, check)
                if not found[name].ok:
                    return

        group.start_soon(each_needs_the_one_before)
        for name, check in checks.items():
            group.start_soon(one, name, check)
    return {name: found[name] for name in [*checks, *steps] if name in found}


def _settings(folder: Path) -> tuple[Settings, Health]:
    environment = {name: value for name, value in os.environ.items() if name.startswith("ASTRO_MCP_")}
    try:
        settings = load(folder, environment)
    except AstroError as error:
        return Settings(), Health(ok=False, detail=error.message, fix=error.hint or UNKNOWN)
    file = folder / "config.toml"
    origin = [str(file)] if file.exists() else [f"the defaults ({file} is not there)"]
    return settings, Health(ok=True, detail=", ".join([*origin, *sorted(environment.keys() - {"ASTRO_MCP_HOME"})]))


async def _given(health: Health) -> Health:
    return health


async def _python() -> Health:
    detail = f"{platform.python_version()} at {sys.executable}"
    fix = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer, and astro-mcp into an environment of it"
    return Health(ok=sys.version_info >= (3, 11), detail=detail, fix=fix)


async def _data(folder: Path) -> Health:
    try:
        await anyio.to_thread.run_sync(make_private, str(folder))
    except ShimError as error:
        return Health(ok=False, detail=error.message, fix=f"chmod 700 '{folder}', or choose another ASTRO_MCP_HOME")
    free = shutil.disk_usage(folder).free // 1_000_000
    fix = "" if free > 1000 else "free some space: artifacts, images and the index live here"
    return Health(ok=free > 200, detail=f"{folder}, {free:,} MB free", fix=fix)


async def _daemon() -> Health:
    try:
        reply = await anyio.to_thread.run_sync(control, "status")
    except ShimError as error:
        return Health(ok=False, detail=error.message, fix="astro-mcp daemon stop, then try again")
    if reply is None:
        return Health(ok=True, detail="not running; the first host or command starts it")
    return Health(ok=True, detail=f"pid {reply.get('pid')}, version {reply.get('version')}")


async def _workspace(settings: Settings, folder: Path) -> Health:
    roots, reasons = await anyio.to_thread.run_sync(
        usable_roots, [Path.cwd()], settings.roots.ceiling, own_folders(folder)
    )
    if roots:
        return Health(ok=True, detail=f"{roots[0]} can be a root")
    return Health(ok=True, detail="; ".join(reasons), fix="start the server in a project, or with --root DIR")


async def _git() -> Health:
    found = shutil.which("git")
    if found is None:
        return Health(ok=False, detail="git is not on PATH", fix="install git with your system's package manager")
    return Health(ok=True, detail=found)


async def _ripgrep() -> Health:
    from astro_mcp.agents.files.ripgrep import PLACES, program  # noqa: PLC0415 - one check among many

    if found := program([]):
        return Health(ok=True, detail=found)
    return Health(
        ok=True,
        detail="none: fs_search reads every file itself, with the same results",
        fix=f"install ripgrep; it is looked for in {PLACES.replace(':', ', ')}",
    )


async def _model() -> Health:
    from astro_mcp.agents.knowledge.embedding import verify  # noqa: PLC0415 - one check among many

    folder = Pack.find().resources / "models" / "minilm-l6-v2-int8"
    await anyio.to_thread.run_sync(verify, folder)
    return Health(ok=True, detail="embedding model: digests match, no download needed")


async def _schedules(settings: Settings, folder: Path) -> Health:
    """When each begins next, or what would keep it from that: a start is rehearsed, by the same code."""
    if not settings.schedules:
        return Health(ok=True, detail="none")
    from astro_mcp.app.app import open_rehearsal  # noqa: PLC0415 - most have none
    from astro_mcp.app.parts import kept_from_roots  # noqa: PLC0415 - as above
    from astro_mcp.workflow.schedules import Schedules, following  # noqa: PLC0415 - as above

    told: list[str] = []
    wrong: list[tuple[str, str]] = []
    async with open_rehearsal(settings, os.environ) as app:
        kept_away = kept_from_roots(settings, folder, Pack.find())
        own = settings.schedules, app.scheduler, settings.roots.ceiling, kept_away, f"uid:{os.geteuid()}"
        schedules = Schedules(*own, SystemClock())
        for name, schedule in settings.schedules.items():
            try:
                due = following(name, schedule, time.time())
                await schedules.rehearse(name)
                told.append(f"{name} at {datetime.fromtimestamp(due).astimezone():%Y-%m-%d %H:%M %Z}")
            except AstroError as error:
                wrong.append(_stands_against(name, error))
    if wrong:
        return Health(ok=False, detail="; ".join(detail for detail, _ in wrong), fix=wrong[0][1])
    return Health(ok=True, detail="; ".join(told))


def _stands_against(name: str, error: AstroError) -> tuple[str, str]:
    """What keeps a schedule from a start, and what is to be done."""
    more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
    suggestion = error.problems[0].suggestion if error.problems else error.hint
    fix = f"schedules.{name}: {suggestion}" if suggestion else f"correct [schedules.{name}] in config.toml"
    return f"{name} can't start: {error.message}{more}", fix


async def _search(settings: Settings) -> Health:
    """As the daemon would say: the same parts, of the same manifests and settings."""
    from astro_mcp.agents.search.providers import health as told  # noqa: PLC0415 - one check among many
    from astro_mcp.agents.search.providers import providers  # noqa: PLC0415 - as above

    manifests = Pack.find().manifests("search")
    check([manifest.name for manifest in manifests], settings.search)
    health = told(providers(manifests, settings.search, GuardedClient(settings.web)))
    if not health.ok or "searxng" in health.facts["providers"]:
        return health
    hint = 'a SearXNG of your own answers more reliably: [search.searxng] base_url = "…" in config.toml'
    return replace(health, fix=hint)


async def _temporal(settings: Settings, folder: Path) -> Health:
    try:
        from astro_mcp.workflow.drivers.temporal.claims import Claims  # noqa: PLC0415 - an extra
        from astro_mcp.workflow.drivers.temporal.connection import connect  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        return Health(ok=False, detail=str(error), fix="pip install 'astro-mcp[temporal]'")
    where = settings.workflow.temporal
    await connect(where, Claims(where.claims or folder / "claims"))
    return Health(ok=True, detail=f"{where.address} answers, and has the namespace {where.namespace}")
