"""`astro-mcp sandbox build|list|prune|sessions|end`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from operator import methodcaller
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import anyio

from astro_mcp.agents.code.languages import Languages
from astro_mcp.cli.link import open_link, usage
from astro_mcp.cli.show import Printer
from astro_mcp.config import load
from astro_mcp.errors import SandboxUnavailable
from astro_mcp.packs import Pack
from astro_mcp.sandbox.engine import Engine, get
from astro_mcp.sandbox.image import base_tag
from astro_mcp.sandbox.packages.package_images import KIND
from astro_mcp.shim.place import data_folder

BUILD_SECONDS: Final = 1800
OURS: Final = {"reference": ["astro-mcp-sandbox", "astro-mcp-language", "astro-mcp-python", "astro-mcp-npm"]}


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Build the base image, or a language's; tell or remove the images that this engine has of ours; tell or end
    sessions."""
    if given.language is not None and given.action != "build":
        raise usage("--language belongs to sandbox build")
    if given.action in ("sessions", "end"):
        return _sessions(given, printer)
    pack = Pack.find()
    recipe = pack.resources / "sandbox" / "image"
    if given.action == "build":
        return _build(recipe, _packages(pack, given.language), printer)
    images = anyio.run(_images, given.action == "prune")
    if printer.as_json:
        printer.json({"items": images, "base": base_tag(recipe), "removed": given.action == "prune"})
        return 0
    if given.action == "prune":
        printer.line(f"{len(images)} dependency images removed; they are made again when they are needed")
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


def _packages(pack: Pack, language: str | None) -> Sequence[str]:
    """What the language's image holds beyond the base, which is enough for some."""
    image = Languages(pack.manifests("language")).named(language).image if language is not None else None
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


async def _engine() -> Engine:
    environment = {name: value for name, value in os.environ.items() if name.startswith("ASTRO_MCP_")}
    settings = load(Path(data_folder(os.environ)), environment)
    return await Engine.find(settings.sandbox.engine, Path.home())


async def _images(prune: bool) -> list[dict[str, Any]]:
    engine = await _engine()
    try:
        _, rows = await get(engine.address, f"/images/json?filters={quote(json.dumps(OURS))}")
        found = [_row(row, tag) for row in rows for tag in row.get("RepoTags") or ()]
        if not prune:
            return found
        going = [row for row in found if row["kind"] in ("python", "npm")]
        for row in going:
            await engine.call(methodcaller("remove_image", row["image"]))
        return going
    finally:
        engine.close()


def _row(row: dict[str, Any], tag: str) -> dict[str, Any]:
    kind = (row.get("Labels") or {}).get(KIND, "base")
    return {"image": tag, "bytes": row["Size"], "kind": kind}
