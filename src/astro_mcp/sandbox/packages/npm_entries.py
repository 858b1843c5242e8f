"""An entry of npm's lock files: its place, name and version, its hash and its programs. All of it is hostile text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.job import safe_path
from astro_mcp.sandbox.packages.npm_requirements import is_name, split

FOLDER: Final = "node_modules/"
DEEPEST: Final = 30
MOST_TOLD: Final = 190
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?", re.ASCII)
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

    @property
    def integrity(self) -> str:
        """Its hash as npm writes it (W3C's Subresource Integrity)."""
        return f"sha512-{base64.b64encode(bytes.fromhex(self.sha512)).decode()}"

    @property
    def contents(self) -> str:
        """One line of all that is installed for it."""
        return f"{self.at}={self}:{self.sha512} {json.dumps(dict(self.programs), sort_keys=True)}"


class Unfit(Exception):
    """Why a package of the lock is not installed."""


def package(at: str, entry: Mapping[str, Any]) -> Package:
    """What a registry has for `entry`. Raises `Unfit` where its place, name, version or hash is none."""
    names = at.removeprefix(FOLDER).split(f"/{FOLDER}")
    name, version = text(entry.get("name", names[-1])), text(entry.get("version"))
    if not at.startswith(FOLDER) or len(names) > DEEPEST or not all(map(is_name, names)) or not is_name(name):
        raise Unfit("has no name that a package can have")
    if not _VERSION.fullmatch(version) or _ARCHIVE.search(version):
        raise Unfit("has no version that a registry gives")
    return Package(at, name, version, _sha512(text(entry.get("integrity"))), _programs(entry.get("bin")))


def dependencies(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and what is wanted of each, without what nobody misses."""
    for key in ("dependencies", "optionalDependencies"):
        yield from _texts(entry.get(key))
    free = table(entry.get("peerDependenciesMeta"))
    peers = _texts(entry.get("peerDependencies"))
    yield from ((name, wanted) for name, wanted in peers if not table(free.get(name)).get("optional"))


def unneeded(packages: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Names that packages want where they fit, and that none needs. npm does not mark each such entry as optional: not
    those that lie in another package's folder."""
    wanted = {name for entry in packages.values() for name in table(entry.get("optionalDependencies"))}
    kinds = ("dependencies", "devDependencies", "peerDependencies")
    needed = {name for entry in packages.values() for kind in kinds for name in table(entry.get(kind))}
    return frozenset(wanted - needed)


def is_named(wanted: str) -> bool:
    """Whether npm takes it for a version, a range or a tag of the registry, or for another name there."""
    alias = wanted.removeprefix("npm:")
    if alias != wanted:
        name, wanted = split(alias)
        if not is_name(name):
            return False
    return not re.search(r"[:/\\]", wanted) and not wanted.startswith((".", "~.")) and not _ARCHIVE.search(wanted)


def is_of_registry(entry: Mapping[str, Any]) -> bool:
    """Whether the address that it came from may be a registry's."""
    return re.match("https?://", text(entry.get("resolved"))) is not None


def parents(at: str) -> Iterator[str]:
    """The places that `at` lies in, the nearest first."""
    while (cut := at.rfind(f"/{FOLDER}")) > 0:
        at = at[:cut]
        yield at


def fits(entry: Mapping[str, Any], platform: Platform) -> bool:
    """npm's rule for `os`, `cpu` and `libc`."""
    return all(_allowed(entry.get(key), value) for key, value in zip(platform._fields, platform, strict=True))


def table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def shown(name: str) -> str:
    """On one line, whatever it is."""
    return printable(" ".join(name.split()), 120)


def bounded(left_out: Sequence[str], name: str) -> tuple[str, ...]:
    """The first 190 lines about the file `name`, and how many more there are."""
    more = len(left_out) - MOST_TOLD
    return (*left_out[:MOST_TOLD], *([f"{more} more of {name}"] if more > 0 else []))


def _allowed(listed: object, ours: str) -> bool:
    """None that is negated, and one of the others where there are others."""
    words = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
    plain = [word for word in words if not text(word).startswith("!")]
    return f"!{ours}" not in words and (not plain or ours in plain or plain == ["any"])


def _sha512(integrity: str) -> str:
    """In hex, of a text of hashes."""
    for word in integrity.split():
        kind, _, value = word.partition("-")
        if kind == "sha512":
            try:
                raw = base64.b64decode(value.partition("?")[0], validate=True)
            except ValueError:
                continue
            if len(raw) == 64:
                return raw.hex()
    raise Unfit("has no SHA-512")


def _programs(value: object) -> dict[str, str]:
    """Those that are a plain name and a file in the package; others are none that anybody could call."""
    plain = {name: path.removeprefix("./") for name, path in _texts(value)}
    return {name: path for name, path in plain.items() if _PROGRAM.fullmatch(name) and safe_path(path)}


def _texts(value: object) -> Iterator[tuple[str, str]]:
    return ((name, text(wanted)) for name, wanted in table(value).items())
