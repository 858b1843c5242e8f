"""npm's lock file, checked: every package comes from a registry, by name and hash, and has a safe place.

The lock (package-lock.json, version 3) is npm's, and what it holds is the packages' own words: hostile.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from astro_mcp.errors import InvalidInput, Problem
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.job import safe_path
from astro_mcp.sandbox.packages.npm_requirements import is_name, split

FOLDER: Final = "node_modules/"
DEEPEST: Final = 30
MOST_PROBLEMS: Final = 20
HINT: Final = "only packages of the registry are installed, by name and hash"
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")
_PROGRAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ARCHIVE: Final = re.compile(r"\.(tgz|tar|tar\.gz)$", re.IGNORECASE)


class Platform(NamedTuple):
    """In Node's words: `linux`, `x64`, `glibc`."""

    os: str
    cpu: str
    libc: str


@dataclass(frozen=True, slots=True)
class Package:
    """`at` is its folder, such as `node_modules/a/node_modules/b`; `programs` are files in it, by their commands."""

    at: str
    name: str
    version: str
    sha512: str
    programs: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class _Unfit(Exception):
    """Why a package of the lock is not installed."""


def read(lock: bytes, platform: Platform) -> tuple[Package, ...]:
    """What is to be installed, parents first. Optional packages for other platforms are left out, with what they hold.

    Raises `InvalidInput` with every package that comes from elsewhere than a registry, or does not fit.
    """
    packages: dict[str, Any] = json.loads(lock)["packages"]
    found = []
    problems = []
    left_out: set[str] = set()
    for at, entry in sorted(packages.items()):
        if not at or entry.get("inBundle") or any(parent in left_out for parent in _parents(at)):
            continue  # the top is ours, and what is bundled comes in its parent's tarball
        try:
            if not _fits(entry, platform):
                if not entry.get("optional"):
                    raise _Unfit(f"is not for {platform.os} on {platform.cpu}")
                left_out.add(at)
                continue
            found.append(_package(at, entry))
        except _Unfit as reason:
            name = printable(at.rpartition(FOLDER)[2] or at, 100)
            problems.append(Problem(f"packages.{name}", f"{name} {reason}"))
    if problems:
        raise InvalidInput(problems[0].reason, HINT, problems=tuple(problems[:MOST_PROBLEMS]))
    return tuple(found)


def _package(at: str, entry: Mapping[str, Any]) -> Package:
    names = at.removeprefix(FOLDER).split(f"/{FOLDER}")
    name, version = entry.get("name", names[-1]), entry.get("version")
    if entry.get("link"):
        raise _Unfit("is a link to a folder")
    if not at.startswith(FOLDER) or len(names) > DEEPEST or not all(map(is_name, names)) or not is_name(name):
        raise _Unfit("has no name that a package can have")
    if not re.match("https?://", str(entry.get("resolved", ""))) or not _VERSION.fullmatch(str(version)):
        raise _Unfit(f"comes from no registry, but from {printable(str(entry.get('resolved', 'a folder')), 100)}")
    if entry.get("hasShrinkwrap"):
        raise _Unfit("brings a lock file of its own (npm-shrinkwrap.json)")
    for dependency, wanted in _dependencies(entry):
        if not _named(str(wanted)):
            raise _Unfit(f"needs {printable(str(dependency), 60)} by its address: {printable(str(wanted), 100)}")
    return Package(at, name, str(version), _sha512(str(entry.get("integrity", ""))), _programs(entry.get("bin")))


def _dependencies(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in ("dependencies", "optionalDependencies"):
        yield from _table(entry.get(key)).items()
    free = _table(entry.get("peerDependenciesMeta"))
    peers = _table(entry.get("peerDependencies"))
    yield from ((name, wanted) for name, wanted in peers.items() if not _table(free.get(name)).get("optional"))


def _named(wanted: str) -> bool:
    """Whether npm takes it for a version, a range or a tag of the registry, or for another name there."""
    alias = wanted.removeprefix("npm:")
    if alias != wanted:
        name, wanted = split(alias)
        if not is_name(name):
            return False
    return not re.search(r"[:/\\]", wanted) and not wanted.startswith((".", "~.")) and not _ARCHIVE.search(wanted)


def _sha512(integrity: str) -> str:
    """In hex, of a text of hashes (W3C's Subresource Integrity)."""
    for word in integrity.split():
        kind, _, value = word.partition("-")
        if kind == "sha512":
            try:
                raw = base64.b64decode(value.partition("?")[0], validate=True)
            except binascii.Error:
                continue
            if len(raw) == 64:
                return raw.hex()
    raise _Unfit("has no SHA-512 in the registry")


def _programs(table: object) -> dict[str, str]:
    """Those that are a plain name and a file in the package; others are none that anybody could call."""
    plain = {str(name): str(path).removeprefix("./") for name, path in _table(table).items()}
    return {name: path for name, path in plain.items() if _PROGRAM.fullmatch(name) and safe_path(path)}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parents(at: str) -> Iterator[str]:
    while (cut := at.rfind(f"/{FOLDER}")) > 0:
        at = at[:cut]
        yield at


def _fits(entry: Mapping[str, Any], platform: Platform) -> bool:
    return all(_allowed(entry.get(key), value) for key, value in zip(platform._fields, platform, strict=True))


def _allowed(listed: object, ours: str) -> bool:
    """npm's rule for `os`, `cpu` and `libc`: none that is negated, and one of the others where there are others."""
    words = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
    plain = [word for word in words if not str(word).startswith("!")]
    return f"!{ours}" not in words and (not plain or ours in plain or plain == ["any"])
