"""Wheels by name: resolved and fetched outside by pip, hashed, and never opened or run there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from astro_mcp.core.call import Progress
from astro_mcp.errors import InvalidInput, ProviderFailed, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox import child
from astro_mcp.sandbox.pip_child import ADDRESS, REFUSED
from astro_mcp.sandbox.requirements import canonical, wheel_options
from astro_mcp.sandbox.source import Fetched, Source

MOST_WHEELS: Final = 300
MOST_BYTES: Final = 2 << 30
CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
KEPT_NAMES: Final = frozenset({"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "NETRC", *CERTIFICATES})
NOISE: Final = re.compile(r"^(ERROR|error): ?(Exception:)?\s*")


async def fetch(
    requirements: Sequence[str], python: Mapping[str, str], folder: Path, seconds: float, progress: Progress
) -> Fetched:
    """Every wheel that `requirements` need under the image's Python, in `folder`.

    Raises `InvalidInput` where there is none that fits, `ProviderFailed` where the index can't be reached, `TimedOut`.
    """
    markers = {name: value for name, value in python.items() if name != "libc"}
    pip = [sys.executable, "-I", "-m", "astro_mcp.sandbox.pip_child", json.dumps(markers), "download"]
    options = ["--dest", str(folder), "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--no-color"]
    seen = 0

    async def on_line(line: str) -> None:
        nonlocal seen
        if line.lstrip().startswith(("Collecting ", "Downloading ", "Using cached ", "Saved ")):
            seen += 1
            await progress(seen, None, printable(line.strip(), 150))

    argv = [*pip, *options, *wheel_options(python), "--", *requirements]
    status, said = await child.run(argv, environment(os.environ), folder, seconds, on_line)
    if status:
        raise _failure(said, python)
    return await anyio.to_thread.run_sync(_record, folder)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What pip needs of this machine: its proxies, certificates and pip's own settings."""
    return child.environment(ours, lambda name: name in KEPT_NAMES or name.startswith("PIP_"))


def _record(folder: Path) -> Fetched:
    wheels = {}
    size = 0
    for path in sorted(folder.iterdir()):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            raise InvalidInput(f"{printable(path.name, 100)} is no wheel", "only wheels are installed") from None
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        wheels[f"{name}=={version}:{sha256}"] = path
        size += path.stat().st_size
    if len(wheels) > MOST_WHEELS or size > MOST_BYTES:
        raise TooLarge(f"{len(wheels)} packages of {size:,} bytes; {MOST_WHEELS} and {MOST_BYTES:,} are the bounds")
    return Fetched(tuple(sorted(wheels)), {path.name: path for path in wheels.values()})


def _failure(said: str, python: Mapping[str, str]) -> InvalidInput | ProviderFailed:
    """pip's own words, cleaned, as the error that they mean."""
    lines = [printable(line.strip()) for line in said.splitlines()]
    errors = [NOISE.sub("", line) for line in lines if NOISE.match(line)]
    message = (" · ".join(line for line in errors if line) or next(reversed(lines), "") or "pip failed")[:600]
    if ADDRESS in said:
        return InvalidInput("a package needs another by its address", "only wheels are installed, and only by name")
    if REFUSED in said:
        return InvalidInput("a package would have to be built from source, which is never done")
    if "No matching distribution" in said or "Could not find a version" in said:
        where = f"Python {python['python_version']} on Linux {python['platform_machine']}"
        unreachable = "Retrying" in said or "Max retries" in said or "connection broken" in said
        if unreachable:
            return ProviderFailed(message, "the package index could not be reached", retryable=True)
        return InvalidInput(message, f"only wheels are installed, never sources: is there one for {where}?")
    if "ResolutionImpossible" in said or "conflicting dependencies" in said:
        conflict = [line for line in lines if " depends on " in line or "requested" in line]
        return InvalidInput(f"{message} {'; '.join(conflict)[:400]}".strip(), "loosen one of the versions")
    return ProviderFailed(message, "pip could not fetch the packages", retryable=True)


WHEELS: Final = Source("python", canonical, fetch, installer="/opt/astro/install.py", incoming="/opt/site/.incoming")
