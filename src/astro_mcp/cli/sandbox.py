"""`astro-mcp sandbox build|list|prune|sessions|end`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from operator import methodcaller
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import anyio

from astro_mcp.agents.code.languages import Languages
from astro_mcp.agents.tests.choice import by_name
from astro_mcp.cli.link import open_link, usage
from astro_mcp.cli.show import Printer
from astro_mcp.config import load
from astro_mcp.errors import ProviderFailed, SandboxUnavailable
from astro_mcp.observe.printable import printable
from astro_mcp.packs import Pack
from astro_mcp.sandbox import hints, owner
from astro_mcp.sandbox.engine import Engine, EngineNotFound, EngineRefused, get
from astro_mcp.sandbox.image import base_tag
from astro_mcp.sandbox.packages.package_images import KIND
from astro_mcp.shim.place import data_folder

BUILD_SECONDS: Final = 1800
OURS: Final = {"reference": ["astro-mcp-sandbox", "astro-mcp-language", "astro-mcp-python", "astro-mcp-npm"]}
PACKAGES: Final = ("python", "npm")
"""Kinds of images that are made again when they are needed."""


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Build the base image, or a language's or a test runner's; tell or remove the images that this engine has of ours;
    tell or end sessions."""
    if (given.language is not None or given.runner is not None) and given.action != "build":
        raise usage("--language and --runner belong to sandbox build")
    if given.language is not None and given.runner is not None:
        raise usage("sandbox build takes one of --language and --runner")
    if given.action in ("sessions", "end"):
        return _sessions(given, printer)
    pack = Pack.find()
    recipe = pack.resources / "sandbox" / "image"
    if given.action == "build":
        return _build(recipe, _packages(pack, given), printer)
    base = base_tag(recipe)
    if given.action == "prune":
        removed, kept = anyio.run(_prune)
        if printer.as_json:
            printer.json({"items": removed, "base": base, "removed": True, "in_use": kept})
            return 0
        printer.line(f"{len(removed)} dependency images removed; they are made again when they are needed")
        for row in kept:
            printer.line(f"{row['image']} is in use, and stays: {row['reason']}")
        return 0
    images = anyio.run(_images)
    if printer.as_json:
        printer.json({"items": images, "base": base, "removed": False})
        return 0
    printer.table(["image", "MB", "kind"], [(row["image"], row["bytes"] // 1_000_000, row["kind"]) for row in images])
    return 0


def _sessions(given: argparse.Namespace, printer: Printer) -> int:
    """The sessions of code_run that belong to the working folder, which is the workspace as it is for a host."""
    if (given.action == "end") != bool(given.session):
        raise usage("sandbox end NAME ends a session; sandbox sessions takes no name")
    with open_link() as link:
        if given.action == "end":
            link.call("code_run", {"session": given.session, "end_session": True, "code": ""})
            printer.result(f"the session {given.session} is ended", {"ended": given.session})
            return 0
        body = link.request("resources/read", {"uri": "astro://agents/code"})
        found = json.loads(body["contents"][0]["text"])["sessions"]
    if printer.as_json:
        printer.json({"items": found})
    else:
        rows = [(one["name"], one["turns"], one["up_seconds"], one["idle_seconds"], one["busy"]) for one in found]
        printer.table(["session", "turns", "up s", "idle s", "busy"], rows)
    return 0


def _packages(pack: Pack, given: argparse.Namespace) -> Sequence[str]:
    """What the language's, or the runner's, image holds beyond the base, which is enough for some."""
    if given.runner is not None:
        return by_name(pack.manifests("runner"), given.runner).image.debian
    image = Languages(pack.manifests("language")).named(given.language).image if given.language is not None else None
    return image.debian if image else ()


def _build(recipe: Path, packages: Sequence[str], printer: Printer) -> int:
    address = anyio.run(_address)
    options = ["--packages", ",".join(packages)] if packages else []
    done = subprocess.run(  # noqa: S603 - our own recipe; a person waits for it at a terminal, and sees its output
        ["/usr/bin/env", "bash", str(recipe / "build.sh"), *options],
        env={**os.environ, "DOCKER_HOST": address},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=BUILD_SECONDS,
        check=False,
        text=True,
    )
    if done.returncode:
        raise SandboxUnavailable("the sandbox's image could not be built", "the lines above say why")
    printer.result(done.stdout, {"image": done.stdout.strip()})
    return 0


async def _address() -> str:
    """The URL of the engine that the settings name or the machine has: the one that the daemon uses too."""
    engine = await _engine()
    engine.close()
    return engine.address.url


def _data() -> Path:
    return Path(data_folder(os.environ))


async def _engine() -> Engine:
    environment = {name: value for name, value in os.environ.items() if name.startswith("ASTRO_MCP_")}
    settings = load(_data(), environment)
    return await Engine.find(settings.sandbox.engine, Path.home())


async def _images() -> list[dict[str, Any]]:
    """Those of every data folder on this engine."""
    engine = await _engine()
    engine.close()
    return await _listed(engine, OURS)


async def _prune() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of the images that this data folder's daemon made of packages: what was removed, and what the engine kept."""
    engine = await _engine()
    removed, kept = [], []
    try:
        house = f"{owner.HOUSE}={owner.house(_data() / 'images')}"
        for row in await _listed(engine, {**OURS, "label": [house]}):
            if row["kind"] not in PACKAGES:
                continue
            try:
                await engine.call(methodcaller("remove_image", row["image"]))
            except EngineNotFound:
                continue
            except EngineRefused as error:  # a container has it, or another image is made of it
                kept.append({**row, "reason": printable(error.message)})
            else:
                removed.append(row)
    finally:
        engine.close()
    return removed, kept


async def _listed(engine: Engine, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    status, rows = await get(engine.address, f"/images/json?filters={quote(json.dumps(filters))}")
    if status != 200 or not isinstance(rows, list):
        raise ProviderFailed(f"the Docker engine answered {status} about its images", hints.LOOK)
    return [_row(row, tag) for row in rows for tag in row.get("RepoTags") or ()]


def _row(row: dict[str, Any], tag: str) -> dict[str, Any]:
    kind = (row.get("Labels") or {}).get(KIND, "base")
    return {"image": tag, "bytes": row["Size"], "kind": kind}
