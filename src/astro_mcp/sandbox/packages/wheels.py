"""Packages by name: resolved and fetched outside by pip, hashed, and neither built nor run there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio.to_thread
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from astro_mcp.core.call import Progress
from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox import child
from astro_mcp.sandbox.packages.pip_errors import PassedOver, failure
from astro_mcp.sandbox.packages.pip_sources import FILE, REPORT
from astro_mcp.sandbox.packages.requirements import wheel_options

MOST_WHEELS: Final = 300
MOST_BYTES: Final = 2 << 30
CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
KEPT_NAMES: Final = frozenset({"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "NETRC", *CERTIFICATES})
FOLDERS: Final = re.compile(r"file://\S*/")
"""Where a wheel lies on this machine says nothing, and would leave no room for what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A fetched file; `sha256` is of the file as it came."""

    path: Path
    name: str
    version: str
    sha256: str
    bytes: int

    def __str__(self) -> str:
        return f"{self.name}=={self.version}:{self.sha256}"


@dataclass(frozen=True, slots=True)
class Sdist:
    """A source distribution as it was fetched, and unopened; `name` is canonical, `suffix` is of its archive.

    `discarded` is what pip said of wheels that it passed over.
    """

    path: Path
    name: str
    version: str
    suffix: str
    sha256: str
    discarded: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Place:
    """The folders of one image's making, below `folder`: what came, and the wheels that were built on the way."""

    def __init__(self, folder: Path) -> None:
        self.wheels = folder / "wheels"
        self.built = folder / "built"
        self.source = folder / "source"

    def make(self) -> None:
        for path in (self.wheels, self.built, self.source):
            path.mkdir()


async def fetch(
    requirements: Sequence[str],
    python: Mapping[str, str],
    approved: frozenset[str],
    place: Place,
    seconds: float,
    progress: Progress,
) -> tuple[Wheel, ...] | Sdist:
    """Every wheel that `requirements` need under the image's Python, in `place`, sorted by name; or the first package
    of those `approved` that has none that fits, as source. Called again with its wheel in `place.built`, it goes on.

    Raises `InvalidInput` where there is none that fits, `ApprovalRequired` where there are only sources of one,
    `ProviderFailed` where the index can't be reached, `TimedOut`.
    """
    markers = {name: value for name, value in python.items() if name != "libc"}
    told = {"owner": os.getpid(), "markers": markers, "approved": sorted(approved), "folder": str(place.source)}
    pip = [sys.executable, "-I", "-m", "astro_mcp.sandbox.packages.pip_child", json.dumps(told), "download"]
    options = ["--dest", str(place.wheels), "--find-links", str(place.built), "--prefer-binary"]
    options += ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--no-color"]
    seen = 0

    async def on_line(line: str) -> None:
        nonlocal seen
        if line.lstrip().startswith(("Collecting ", "Downloading ", "Using cached ", "Saved ")):
            seen += 1
            await progress(seen, None, printable(line.strip(), 150))

    argv = [*pip, *options, *wheel_options(python), "--", *requirements]
    status, said = await child.run(argv, environment(os.environ), place.wheels, seconds, on_line)
    if not status:
        return await anyio.to_thread.run_sync(_record, place.wheels)
    fetched, passed_over, unanswered = await anyio.to_thread.run_sync(_report, place.source)
    if fetched:
        return await anyio.to_thread.run_sync(_source, fetched, said, place.source)
    raise failure(said, python, passed_over, unanswered)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What pip needs of this machine: its proxies, certificates and pip's own settings."""
    return child.environment(ours, lambda name: name in KEPT_NAMES or name.startswith("PIP_"))


def _record(folder: Path) -> tuple[Wheel, ...]:
    wheels = []
    for path in sorted(folder.iterdir()):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            raise InvalidInput(f"{printable(path.name, 100)} is no wheel", "only wheels are installed") from None
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        wheels.append(Wheel(path, str(name), str(version), sha256, path.stat().st_size))
    size = sum(wheel.bytes for wheel in wheels)
    if len(wheels) > MOST_WHEELS or size > MOST_BYTES:
        raise TooLarge(f"{len(wheels)} packages of {size:,} bytes; {MOST_WHEELS} and {MOST_BYTES:,} are the bounds")
    return tuple(sorted(wheels, key=lambda wheel: wheel.name))


def _report(folder: Path) -> tuple[str, PassedOver, Sequence[str]]:
    """What `pip_sources.Sources` wrote down: a source's file name, the sources that were passed over, and what pip said
    of indexes that did not answer."""
    path = folder / REPORT
    if not path.exists():  # pip did not come so far
        return "", (), ()
    said = json.loads(path.read_bytes())
    path.unlink()
    return said["fetched"], tuple((name, version) for name, version in said["refused"]), said["unanswered"]


def _source(fetched: str, said: str, folder: Path) -> Sdist:
    try:
        name, version = parse_sdist_filename(fetched)
    except InvalidSdistFilename:
        raise InvalidInput(f"{printable(fetched, 100)} is no source distribution of today's form") from None
    path = folder / FILE
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    suffix = ".zip" if fetched.endswith(".zip") else ".tar.gz"
    told = (FOLDERS.sub("", line.strip()) for line in said.splitlines() if line.lstrip().startswith("Discarding "))
    discarded = [printable(line, 400) for line in told]
    return Sdist(path, str(name), str(version), suffix, sha256, "; ".join(discarded))
