"""What every hostile program goes through: it runs in a warm sandbox, and then host, pool and the next run are looked
at."""

from __future__ import annotations

import gc
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import docker
from tests.sandbox.rig import RESOURCES, SMALL

from astro_mcp.errors import AstroError
from astro_mcp.sandbox import hardening, owner
from astro_mcp.sandbox.egress import Egress
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

INSIDE = SandboxFile("inside.py", Path(__file__).with_name("inside.py").read_bytes())
CONTAINER = re.compile(r"docker[/-]([0-9a-f]{64})")
PATIENCE = 60
SIDE_BY_SIDE = 6
LOOK = b"""
import json, os
seen = {path: sorted(os.listdir(path)) for path in ('/workspace', '/tmp', '/dev/shm', '/dev/mqueue')}
seen['processes'] = sum(name.isdigit() for name in os.listdir('/proc'))
seen['answer'] = 1
print(json.dumps(seen))
"""
UNTOUCHED = {
    "/workspace": ["look.py"],
    "/tmp": [],
    "/dev/shm": [],
    "/dev/mqueue": [],
    "processes": 2,
    "answer": 1,
}


@dataclass(frozen=True)
class Hostile:
    """A program, and what comes of it. `said` is a pattern of its whole output; `limits` are those that must be named,
    and no others may be, `may` aside; `withheld` are patterns."""

    does: str
    code: str
    said: str = ""
    exit: int = 0
    limits: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    seconds: float = 30.0
    slack: float = 10.0
    """Seconds after `seconds` within which the answer is there: the host's own deadline is 20."""
    files: dict[str, bytes] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    argv: tuple[str, ...] = ("python3", "program.py")
    script: bool = True
    errors: str = "(?!.*Traceback).*"

    def __str__(self) -> str:
        return self.does

    @property
    def job(self) -> Job:
        given = (INSIDE, SandboxFile("program.py", f"from inside import *\n{self.code}\n".encode()))
        return Job(self.argv, files=given, timeout=self.seconds, script=self.script)

    def check(self, outcome: Outcome | AstroError, harm: list[str]) -> None:
        assert isinstance(outcome, Outcome), outcome
        said, errors = outcome.stdout.decode(errors="replace"), outcome.stderr.decode(errors="replace")
        assert re.fullmatch(self.said, said.strip(), re.DOTALL), (said[-2000:], errors[-2000:])
        assert re.fullmatch(self.errors, errors, re.DOTALL), errors[-2000:]
        assert outcome.exit_code == self.exit, errors[-2000:]
        assert set(self.limits) <= set(outcome.limits_hit) <= {*self.limits, *self.may}
        assert outcome.run_ms < (self.seconds + self.slack) * 1000
        assert {file.path: file.data for file in outcome.files} == self.files
        assert len(outcome.withheld) == len(self.withheld)
        for pattern, name in zip(self.withheld, outcome.withheld, strict=True):
            assert re.fullmatch(pattern, name, re.DOTALL), outcome.withheld
        assert harm == []


Seen = dict[str, tuple[Outcome | AstroError, list[str]]]


class Ground:
    """A warm sandbox with small bounds on a host that is watched. Everything that a program did to it is `harm`.
    `fields` are those of every hostile job."""

    def __init__(self, sandbox: Sandbox, folder: Path, engine: Any, fields: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self._fields = fields
        self._folder = folder
        self._engine = engine
        self._canary = folder / "canary"
        self._canary.write_text("alive")
        self._host = self._host_state()
        self._ours: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, way_out: Egress | None = None, **fields: Any) -> AsyncIterator[Ground]:
        """Leaving shows that no container, process or descriptor of it is left."""
        gc.collect()  # what earlier tests of this process left to be collected is not to go amid this one
        before = descriptors()
        with closing(docker.APIClient("unix:///var/run/docker.sock", version="auto")) as engine:
            settings = SMALL.model_copy(update={"warm": SIDE_BY_SIDE})
            sandbox = Sandbox(settings, folder / "images", RESOURCES, egress=way_out)
            ground = cls(sandbox, folder, engine, fields)
            async with sandbox.warm():
                async with anyio.create_task_group() as group:
                    for _ in range(SIDE_BY_SIDE):  # as many wait from here on
                        group.start_soon(sandbox.run, Job(("true",), collect=""))
                yield ground
            await sandbox.close()
            assert await ground.containers() == set()
            assert not ground._ours & set(nobodies().values())
        assert left_open(before) == {}

    async def attack_all(self, programs: Sequence[Hostile], side_by_side: int = SIDE_BY_SIDE) -> Seen:
        """Each of them, a few side by side, and after those a look at what they did."""
        seen: Seen = {}
        left = sorted(programs, key=lambda program: program.seconds)  # those that hang, together
        while left:
            ran: dict[str, Outcome | AstroError] = {}
            await self.filled()
            async with anyio.create_task_group() as group:
                for program in left[:side_by_side]:
                    group.start_soon(self._attack, program, ran)
            harm = await self.harm()
            seen |= {name: (outcome, harm) for name, outcome in ran.items()}
            del left[:side_by_side]
        return seen

    async def filled(self) -> None:
        """Until the pool is full: what hostile programs did to it does not keep it from that."""
        with anyio.fail_after(PATIENCE):
            while (pool := self.sandbox._pool) and pool.counts().get(self.sandbox.tag, 0) < SIDE_BY_SIDE:
                await anyio.sleep(0.01)

    async def _attack(self, program: Hostile, ran: dict[str, Outcome | AstroError]) -> None:
        try:
            ran[program.does] = await self.sandbox.run(replace(program.job, **self._fields))
        except AstroError as error:
            ran[program.does] = error

    async def harm(self, patience: float = PATIENCE) -> list[str]:
        """What is not as it was before any program ran."""
        found = []
        if (host := self._host_state()) != self._host:
            found.append(f"the host: {host}, before: {self._host}")
        if strangers := await self._strangers(patience):
            found.append(f"processes outside of any container: {strangers}")
        look = Job(("python3", "look.py"), (SandboxFile("look.py", LOOK),), timeout=60, collect="", script=True)
        try:
            after = await self.sandbox.run(look)
            if after.exit_code or json.loads(after.stdout) != UNTOUCHED or after.limits_hit:
                found.append(f"the next run: {after}")
        except AstroError as error:
            found.append(f"the next run: {error}")
        return found

    async def containers(self) -> set[str]:
        """Those of this house, in any state."""
        rows = await anyio.to_thread.run_sync(lambda: self._engine.containers(all=True))
        house = owner.house(self._folder / "images")
        return {row["Id"] for row in rows if row["Labels"].get(owner.HOUSE) == house}

    def _host_state(self) -> tuple[object, ...]:
        read = Path.read_text
        return (
            read(self._canary),
            self._canary.stat().st_mtime_ns,
            sorted(path.name for path in self._folder.iterdir() if path.name != "images"),
            read(Path("/proc/sys/kernel/core_pattern")),
            read(Path("/proc/sys/vm/overcommit_memory")),
            socket.gethostname(),
        )

    async def _strangers(self, patience: float) -> dict[int, str]:
        """Processes of the sandbox's user that are in no container, after every process that ends had the time to."""
        deadline = anyio.current_time() + patience
        while True:  # at least one whole look, however slow the engine is: none at all would find nothing
            found = nobodies()
            self._ours |= await self.containers()
            rows = await anyio.to_thread.run_sync(lambda: self._engine.containers(all=True))
            lost = {pid: name for pid, name in found.items() if name not in {row["Id"] for row in rows}}
            if not lost or anyio.current_time() >= deadline:
                break
            await anyio.sleep(0.01)
        return lost


def nobodies() -> dict[int, str]:
    """The host's processes of the sandbox's user, and the container that each is in, or nothing."""
    found = {}
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdigit() and path.stat().st_uid == hardening.USER:
                inside = CONTAINER.search((path / "cgroup").read_text())
                found[int(path.name)] = inside[1] if inside else ""
        except OSError:
            continue  # it ended
    return found


def descriptors() -> dict[int, str]:
    """This process's, and what each of them is."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them is closed by now
            found[int(path.name)] = os.readlink(path)
    return found


def left_open(before: dict[int, str]) -> dict[int, str]:
    """What is open and was not `before`: what waits to be collected counts, too."""
    return dict(descriptors().items() - before.items())
