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
from typing import Final
from urllib.parse import unquote

import anyio.to_thread

from astro_mcp.core.call import Progress
from astro_mcp.errors import AstroError, InvalidInput, ProviderFailed, TooLarge, Unavailable, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox import child, hints
from astro_mcp.sandbox.packages import npm_lock
from astro_mcp.sandbox.packages.npm_requirements import canonical, split
from astro_mcp.sandbox.packages.source import Fetched, Source

GUARD: Final = Path(__file__).with_name("npm_guard.cjs")
CHILD: Final = (sys.executable, "-I", "-m", "astro_mcp.sandbox.packages.npm_child")
ADDRESS: Final = "astro-mcp: a package names an address"
REFUSED: Final = "astro-mcp: npm starts no process"
MOST_PACKAGES: Final = 1_000
MOST_BYTES: Final = 1 << 30
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
SAID: Final = re.compile(r"^npm (?:error|ERR!) ?(404|notarget|notsup|network)?\s*")
NOISE: Final = re.compile(
    r"^(code |errno |syscall |A complete log|Log files were|Note that you|tarball, fol|In most cases|a package ver|$)"
)
CODE: Final = re.compile(r"^npm (?:error|ERR!) code (\S+)$", re.MULTILINE)


async def fetch(
    requirements: Sequence[str], facts: Mapping[str, str], folder: Path, seconds: float, progress: Progress
) -> Fetched:
    """Every tarball that `requirements` (`name@range`) need on the image's platform, in `folder`, and a plan of where
    each is unpacked.

    Raises `Unavailable` where there is no npm, `InvalidInput` where nothing fits or a package comes from elsewhere than
    the registry, `ProviderFailed` where that can't be reached, `TooLarge`, `TimedOut`.
    """
    deadline = time.monotonic() + seconds
    platform = _platform(facts)
    npm = _Npm(folder, platform, progress)
    await anyio.to_thread.run_sync(_write_project, folder, requirements)
    await npm.run(("install", "--package-lock-only"), deadline)
    packages = await anyio.to_thread.run_sync(_read_lock, folder, platform)
    names = sorted({str(package) for package in packages})
    if len(names) > MOST_PACKAGES:
        raise TooLarge(f"{len(names)} packages are needed; {MOST_PACKAGES} is the bound", "ask for fewer")
    await npm.run(("cache", "add", "--", *names), deadline)
    return await anyio.to_thread.run_sync(_record, folder, packages)


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

    def __init__(self, folder: Path, platform: npm_lock.Platform, progress: Progress) -> None:
        self._environment = environment(os.environ)
        self._folder = folder
        self._progress = progress
        program = shutil.which("npm", path=self._environment["PATH"])
        if program is None:
            raise Unavailable("packages of npm need npm on this machine", hints.npm_line(), retryable=False)
        self._program = program
        ours = (f"--cache={folder / 'cache'}", *(f"--{name}={value}" for name, value in platform._asdict().items()))
        self._options = (*OPTIONS, *ours)
        self._seen = 0

    async def run(self, arguments: Sequence[str], deadline: float) -> None:
        """Raises its failure in its own words."""
        command, *rest = arguments
        seconds = max(1.0, deadline - time.monotonic())
        argv = [*CHILD, self._program, command, *self._options, *rest]
        status, said = await child.run(argv, self._environment, self._folder, seconds, self._on_line)
        if status:
            raise _failure(said)

    async def _on_line(self, line: str) -> None:
        if found := FETCHED.match(line):
            self._seen += 1
            await self._progress(self._seen, None, f"fetched {printable(unquote(found[1].rpartition('/')[2]), 150)}")


def _platform(facts: Mapping[str, str]) -> npm_lock.Platform:
    machine = facts["platform_machine"]
    libc = facts["libc"].partition(" ")[0]
    if libc != "glibc":
        raise Unsupported("packages need a sandbox image with glibc", "build it on Debian, Ubuntu or Fedora")
    return npm_lock.Platform("linux", MACHINES.get(machine, machine), libc)


def _write_project(folder: Path, requirements: Iterable[str]) -> None:
    wanted = dict(split(requirement) for requirement in requirements)
    project = {"name": "packages", "version": "0.0.0", "private": True, "dependencies": wanted}
    (folder / "package.json").write_text(json.dumps(project), encoding="utf-8")


def _read_lock(folder: Path, platform: npm_lock.Platform) -> tuple[npm_lock.Package, ...]:
    with (folder / "package-lock.json").open("rb") as file:
        text = file.read(LARGEST_LOCK + 1)
    if len(text) > LARGEST_LOCK:
        raise TooLarge(f"npm's lock is larger than {LARGEST_LOCK:,} bytes", "ask for fewer")
    return npm_lock.read(text, platform)


def _record(folder: Path, packages: Sequence[npm_lock.Package]) -> Fetched:
    """The tarballs where npm's cache keeps them, which is by their hash, checked once more."""
    files: dict[str, Path] = {}
    for package in packages:
        digest = package.sha512
        path = folder.joinpath("cache", "_cacache", "content-v2", "sha512", digest[:2], digest[2:4], digest[4:])
        if f"{digest}.tgz" not in files and not _is(path, digest):
            raise ProviderFailed(f"what the registry gave for {package} is not what its hash says", retryable=True)
        files[f"{digest}.tgz"] = path
    size = sum(path.stat().st_size for path in files.values())
    if size > MOST_BYTES:
        raise TooLarge(f"the packages hold {size:,} bytes; {MOST_BYTES:,} is the bound", "ask for fewer")
    plan = [{"at": one.at, "file": f"{one.sha512}.tgz", "programs": dict(one.programs)} for one in packages]
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    contents = tuple(f"{one.at}={one}:{one.sha512}" for one in packages)
    return Fetched(contents, {**files, "plan.json": folder / "plan.json"})


def _is(path: Path, sha512: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha512").hexdigest() == sha512
    except FileNotFoundError:
        return False


def _failure(said: str) -> AstroError:
    """npm's own words, cleaned, as the error that they mean."""
    lines = [printable(SAID.sub("", line).strip()) for line in said.splitlines() if SAID.match(line)]
    message = " · ".join(line for line in lines if not NOISE.match(line))[:600] or printable(said.strip())[-300:]
    found = CODE.search(said)
    code = found[1] if found else ""
    if ADDRESS in said:
        return InvalidInput("a package needs another by its address", npm_lock.HINT)
    if REFUSED in said:
        return InvalidInput("a package would have to be opened or built on this machine, which is never done")
    if code in ("E404", "ETARGET", "ENOVERSIONS", "EUNSUPPORTEDPROTOCOL", "EINVALIDPACKAGENAME", "EINVALIDTAGNAME"):
        return InvalidInput(message, "look the name and its versions up; a name alone is its newest version")
    if code in ("ERESOLVE", "EBADPLATFORM"):
        return InvalidInput(message, "loosen one of the versions, or leave the package out")
    if code == "EFBIG":
        return TooLarge("a package is larger than any that is installed", "leave it out")
    if code in ("E401", "E403", "ENEEDAUTH"):
        return ProviderFailed(message, "the registry does not let this machine's npm in", retryable=False)
    return ProviderFailed(message, "npm could not fetch the packages from its registry", retryable=True)


NPM: Final = Source("npm", canonical, fetch, installer="/opt/astro/install_npm.py", incoming="/node_modules/.incoming")
