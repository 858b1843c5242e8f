"""A sandbox that may reach two sites of the test's own, which stand for the internet, and not a third."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from tests.net.signed import self_signed
from tests.net.web_site import Loopback, Names, Site, answer, serving
from tests.sandbox.rig import RESOURCES, SMALL

from astro_mcp.sandbox.egress import Egress
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

PROGRAM = '''
import os, socket, sys, time
SITE, PORT = "site.example", @PORT@
PROXY = os.environ.get("HTTP_PROXY", "http://127.0.0.1:9").rpartition("/")[2].split(":")
def dial(data=b""):
    made = socket.create_connection((PROXY[0], int(PROXY[1])), timeout=20)
    made.sendall(data)
    return made
def everything(made):
    parts = []
    while part := made.recv(65536): parts.append(part)
    return b"".join(parts)
def line(made): return made.recv(4096).split(b"\\r\\n")[0].decode()
def tunnel(to): return dial(b"CONNECT " + to.encode() + b" HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
def asked(path):
    made = tunnel(f"{SITE}:{PORT}")
    assert line(made) == "HTTP/1.1 200 Connection established"
    made.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
    return made
def hello(): return everything(asked("/")).decode().split()[-1]
def first_process():
    """KiB of memory, and room for descriptors, of PID 1."""
    with open("/proc/1/status") as file: status = dict(row.split(":", 1) for row in file)
    return int(status["VmRSS"].split()[0]), int(status["FDSize"])
'''


@dataclass
class WayOut:
    """`site` and `secure`, which speaks TLS, are what the operator named, as `site.example` and the names beside it."""

    sandbox: Sandbox
    egress: Egress
    site: Site
    secure: Site
    other: Site
    names: Names

    def job(self, code: str, **fields: Any) -> Job:
        program = PROGRAM.replace("@PORT@", str(self.site.port)) + code
        given: dict[str, Any] = {"timeout": 20.0, "egress": True, "collect": "", "script": True, **fields}
        return Job(("python3", "p.py"), (SandboxFile("p.py", program.encode()),), **given)

    async def run(self, code: str, **fields: Any) -> Outcome:
        return await self.sandbox.run(self.job(code, **fields))

    async def said(self, code: str, **fields: Any) -> list[str]:
        """The lines that a program says which ends well."""
        outcome = await self.run(code, **fields)
        assert (outcome.exit_code, outcome.stderr) == (0, b""), outcome
        return outcome.stdout.decode().splitlines()


@asynccontextmanager
async def way_out(folder: Path, beside: Sequence[str] = (), **settings: Any) -> AsyncIterator[WayOut]:
    """While this lasts, this machine trusts the authority of `secure` alone."""
    certificate = self_signed(folder / "site.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        async with serving() as site, serving(tls) as secure, serving() as other:
            site.replies["/"] = answer(b"hello")
            secure.replies["/"] = answer(b"secret")
            named = [f"{name}:{site.port}" for name in ("site.example", *beside)]
            names = Names()
            given = {"egress": (*named, f"site.example:{secure.port}"), "warm": 2, **settings}
            bounds = SMALL.model_copy(update=given)
            egress = Egress(bounds, resolve=names, policy=Loopback())
            sandbox = Sandbox(bounds, folder / "images", RESOURCES, egress=egress)
            async with sandbox.warm():
                yield WayOut(sandbox, egress, site, secure, other, names)
            await sandbox.close()


class Endless:
    """A download; `left` once nobody takes it any more."""

    def __init__(self) -> None:
        self.left = anyio.Event()

    async def __call__(self, stream: anyio.abc.ByteStream) -> None:
        try:
            await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await stream.send(bytes(65536))
        finally:
            self.left.set()


async def deaf(stream: anyio.abc.ByteStream) -> None:
    """Neither reads nor answers."""
    await anyio.sleep(60)
