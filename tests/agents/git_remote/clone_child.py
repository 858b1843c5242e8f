"""A process that clones, to be killed: `clone_child.py DATA ROOT CERTIFICATE URL`."""

from __future__ import annotations

import functools
import ssl
import sys
from pathlib import Path

import anyio
from tests.net.web_site import Loopback, Names

from astro_mcp.testing import workbench
from astro_mcp.workspace.git.remote import hosts


async def main(*arguments: str) -> None:
    data, root, certificate, url = arguments
    tls = ssl.create_default_context(cafile=certificate)
    setattr(hosts, "Hosts", functools.partial(hosts.Hosts, resolve=Names(), policy=Loopback(), tls=tls))  # noqa: B010 - a name of another module
    environment = {"ASTRO_MCP_TOKEN_SITE": "word"}
    async with workbench(Path(data), roots=[Path(root)], environment=environment) as bench:
        await bench.value("git_clone", url=url, path="copy")


anyio.run(main, *sys.argv[1:])
