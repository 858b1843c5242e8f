"""Packages of npm by name: resolved and fetched outside by the machine's npm, hashed, never opened or run there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import anyio.to_thread

from astro_mcp.core.call import Progress
from astro_mcp.errors import TooLarge, Unavailable, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox import child, hints
from astro_mcp.sandbox.packages.npm_entries import Package, Platform
from astro_mcp.sandbox.packages.npm_errors import failure, other_bytes
from astro_mcp.sandbox.packages.npm_lock import read
from astro_mcp.sandbox.packages.npm_requirements import split
from astro_mcp.sandbox.packages.source import Fetched

GUARD: Final = Path(__file__).with_name("npm_guard.cjs")
CHILD: Final = (sys.executable, "-I", "-m", "astro_mcp.sandbox.packages.npm_child")
MOST_PACKAGES: Final = 1_000
MOST_BYTES: Final = 1 << 30
LOCK: Final = "package-lock.json"
PLAN: Final = "plan.json"
LARGEST_LOCK: Final = 32 << 20
KEPT_NAMES: Final = frozenset(
    {"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "NPM_TOKEN", "NODE_AUTH_TOKEN", "XDG_CONFIG_HOME"}
)
MACHINES: Final = {"x86_64": "x64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64"}
OPTIONS: Final = (
    *("--ignore-scripts", "--omit=dev", "--audit=false", "--fund=false", "--update-notifier=false", "--yes=false"),
    *("--workspaces=false", "--global=false", "--location=project", "--dry-run=false", "--engine-strict=false"),
    *(
        "--prefer-offline",
        "--prefer-online=false",
        "--package-lock=true",
        "--lockfile-version=3",
        "--omit-lockfile-registry-resolved=false",
    ),
    *("--install-strategy=hoisted", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=5000", "--logs-max=0"),
    *("--heading=npm", "--loglevel=http", "--color=false", "--progress=false", "--json=false", "--timing=false"),
)
"""What a user's own settings must not change: npm looks for none above a folder with a package.json of its own."""
FETCHED: Final = re.compile(r"npm http \S+ GET 200 (\S+)")


async def fetch(
    requirements: Sequence[str],
    facts: Mapping[str, str],
    folder: Path,
    seconds: float,
    progress: Progress,
    *,
    optional: frozenset[str] = frozenset(),
) -> Fetched:
    """Every tarball that `requirements` (`name@range`) need on the image's platform, in `folder`, and a plan of where
    each is unpacked. Those of `optional`, by name, are left out where they don't fit.

    Raises `Unavailable` where there is no npm, `InvalidInput` where nothing fits or a package comes from elsewhere than
    the registry, `ProviderFailed` where that can't be reached, `TooLarge`, `TimedOut`.
    """
    deadline = time.monotonic() + seconds
    there = platform(facts)
    npm = _Npm(folder, there, progress)
    await anyio.to_thread.run_sync(_write_project, folder, requirements, optional)
    await npm.run(("install", "--package-lock-only"), deadline)
    packages = await anyio.to_thread.run_sync(_read_lock, folder, there)
    return await npm.fetch(packages, deadline)


async def fetch_locked(
    packages: Sequence[Package],
    requirements: Sequence[str],
    facts: Mapping[str, str],
    folder: Path,
    seconds: float,
    progress: Progress,
) -> Fetched:
    """The tarballs of `packages`, which a project's lock pins, by name and version from the registry that this
    machine's npm uses; nothing is resolved, and there are no `requirements` besides.

    Raises `InvalidInput` where the registry has one not, or has other bytes of it, and else what `fetch` does.
    """
    npm = _Npm(folder, platform(facts), progress, locked=True)
    await anyio.to_thread.run_sync(_write_project, folder, requirements, frozenset())
    await anyio.to_thread.run_sync(_write_lock, folder, packages)
    await progress(0, None, f"fetching {len(packages)} packages that the lock pins")
    return await npm.fetch(packages, time.monotonic() + seconds)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What npm needs of this machine: its proxies, certificates and npm's own settings, and our guard.

    Our host may be a child of npm's in some project, whose settings and programs npm handed on: those are left out.
    """
    inherited = "npm_config_local_prefix" in ours
    folders = [part for part in ours.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(part)]
    path = os.pathsep.join(part for part in folders if "node_modules" not in Path(part).parts)

    def needed(name: str) -> bool:
        setting = name.lower().startswith("npm_config_") and not (inherited and name.startswith("npm_config_"))
        return setting or name in KEPT_NAMES

    return {**child.environment(ours, needed), "PATH": path, "NODE_OPTIONS": f"--require {json.dumps(str(GUARD))}"}


class _Npm:
    """This machine's npm in `folder`, with a cache of its own there."""

    def __init__(self, folder: Path, there: Platform, progress: Progress, *, locked: bool = False) -> None:
        self._environment = environment(os.environ)
        self._folder = folder
        self._locked = locked
        self._progress = progress
        program = shutil.which("npm", path=self._environment["PATH"])
        if program is None:
            raise Unavailable("packages of npm need npm on this machine", hints.npm_line(), retryable=False)
        self._program = program
        ours = (f"--cache={folder / 'cache'}", *(f"--{name}={value}" for name, value in there._asdict().items()))
        self._options = (*OPTIONS, *ours)
        self._seen = 0

    async def fetch(self, packages: Sequence[Package], deadline: float) -> Fetched:
        """The tarballs of the lock that lies in the folder, and the plan."""
        names = sorted({str(package) for package in packages})
        if len(names) > MOST_PACKAGES:
            raise TooLarge(f"{len(names)} packages are needed; {MOST_PACKAGES} is the bound", "ask for fewer")
        if names:
            await self.run(("cache", "add", "--", *names), deadline)
        return await anyio.to_thread.run_sync(self._record, packages)

    async def run(self, arguments: Sequence[str], deadline: float) -> None:
        """Raises its failure in its own words."""
        command, *rest = arguments
        seconds = max(1.0, deadline - time.monotonic())
        argv = [*CHILD, str(os.getpid()), self._program, command, *self._options, *rest]
        status, said = await child.run(argv, self._environment, self._folder, seconds, self._on_line)
        if status:
            raise failure(said, locked=self._locked)

    async def _on_line(self, line: str) -> None:
        if found := FETCHED.match(line):
            self._seen += 1
            await self._progress(self._seen, None, f"fetched {printable(unquote(found[1].rpartition('/')[2]), 150)}")

    def _record(self, packages: Sequence[Package]) -> Fetched:
        """The tarballs where npm's cache keeps them, which is by their hash, checked once more."""
        content = self._folder / "cache" / "_cacache" / "content-v2" / "sha512"
        files: dict[str, Path] = {}
        for package in packages:
            digest = package.sha512
            path = content / digest[:2] / digest[2:4] / digest[4:]
            if f"{digest}.tgz" not in files and not _is(path, digest):
                raise other_bytes(str(package), locked=self._locked)
            files[f"{digest}.tgz"] = path
        size = sum(path.stat().st_size for path in files.values())
        if size > MOST_BYTES:
            raise TooLarge(f"the packages hold {size:,} bytes; {MOST_BYTES:,} is the bound", "ask for fewer")
        plan = [{"at": one.at, "file": f"{one.sha512}.tgz", "programs": dict(one.programs)} for one in packages]
        (self._folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")
        return Fetched(tuple(one.contents for one in packages), {**files, PLAN: self._folder / PLAN})


def platform(facts: Mapping[str, str]) -> Platform:
    """Of what PID 1 told. Raises `Unsupported` where there is no glibc."""
    machine = facts["platform_machine"]
    libc = facts["libc"].partition(" ")[0]
    if libc != "glibc":
        raise Unsupported("packages need a sandbox image with glibc", "build it on Debian, Ubuntu or Fedora")
    return Platform("linux", MACHINES.get(machine, machine), libc)


def _write_project(folder: Path, requirements: Iterable[str], optional: frozenset[str]) -> None:
    wanted = dict(split(requirement) for requirement in requirements)
    project: dict[str, Any] = {"name": "packages", "version": "0.0.0", "private": True}
    project["dependencies"] = {name: wanted[name] for name in wanted if name not in optional}
    project["optionalDependencies"] = {name: wanted[name] for name in wanted if name in optional}
    (folder / "package.json").write_text(json.dumps(project), encoding="utf-8")


def _write_lock(folder: Path, packages: Iterable[Package]) -> None:
    """Names, versions and hashes, for our guard; without addresses npm asks the registry for them."""
    entries = {one.at: {"name": one.name, "version": one.version, "integrity": one.integrity} for one in packages}
    (folder / LOCK).write_text(json.dumps({"lockfileVersion": 3, "packages": entries}), encoding="utf-8")


def _read_lock(folder: Path, there: Platform) -> tuple[Package, ...]:
    with (folder / LOCK).open("rb") as file:
        text = file.read(LARGEST_LOCK + 1)
    if len(text) > LARGEST_LOCK:
        raise TooLarge(f"npm's lock is larger than {LARGEST_LOCK:,} bytes", "ask for fewer")
    return read(text, there)


def _is(path: Path, sha512: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha512").hexdigest() == sha512
    except FileNotFoundError:
        return False
