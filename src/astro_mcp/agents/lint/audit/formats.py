"""Lock files, by their names: one reader a format, of names and versions alone.

An audit wants every package that is named, for whatever platform, Python and purpose. (The readers of the sandbox say
what fits one environment, with hashes, and refuse what can't be installed there.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement

from astro_mcp.agents.lint.audit.inventory import CARGO, ELSEWHERE, GO, NPM, PYPI, Inventory, Reader
from astro_mcp.sandbox.packages.requirement_lines import requirement_lines
from astro_mcp.sandbox.packages.tables import table
from astro_mcp.workspace.toml import toml

FOLDER: Final = "node_modules/"
SERVED: Final = re.compile(r"(?:(?:registry|sparse)\+)?https?://")
"""The address of a registry, or of what it serves: one that is a folder has packages of its own."""


def uv(file: str, data: bytes, found: Inventory) -> None:
    for entry in _packages(toml(data.decode()), "package"):
        source = table(entry.get("source"))
        if SERVED.match(str(source.get("registry"))):
            found.add(PYPI, entry.get("name"), entry.get("version"), file)
        elif not {"editable", "virtual"} & source.keys():  # those are the project's own
            found.leave(file, str(entry.get("name")), ELSEWHERE)


def poetry(file: str, data: bytes, found: Inventory) -> None:
    for entry in _packages(toml(data.decode()), "package"):
        if table(entry.get("source")):
            found.leave(file, str(entry.get("name")), ELSEWHERE)
        else:
            found.add(PYPI, entry.get("name"), entry.get("version"), file)


def pylock(file: str, data: bytes, found: Inventory) -> None:
    """PEP 751."""
    for entry in _packages(toml(data.decode()), "packages"):
        if "wheels" in entry or "sdist" in entry:
            found.add(PYPI, entry.get("name"), entry.get("version"), file)
        else:
            found.leave(file, str(entry.get("name")), ELSEWHERE)


def pipenv(file: str, data: bytes, found: Inventory) -> None:
    for category, entries in table(json.loads(data)).items():
        for name, entry in table(entries).items() if category != "_meta" else ():
            version = table(entry).get("version")
            if isinstance(version, str):
                found.add(PYPI, name, version.removeprefix("==").strip(), file)
            else:
                found.leave(file, name, ELSEWHERE)


def requirements(file: str, data: bytes, found: Inventory) -> None:
    """pip's files, where they pin: `name==version`, with hashes or without."""
    for row in requirement_lines(data):
        line = f" {' '.join(row.split())}".partition(" #")[0].removeprefix(" ").partition(" --")[0]
        if not line or re.match(r"-(?:-hash|-index-url|-extra-index-url|i\b|-no-)", line):
            continue
        if line.startswith("-"):
            found.leave(file, line, "is not followed: other files are read where they lie, if their names are a lock's")
            continue
        try:
            asked = Requirement(line[:1000])
        except InvalidRequirement:
            found.leave(file, line, "is no name and version")
            continue
        one = list(asked.specifier)
        if asked.url is None and len(one) == 1 and one[0].operator in ("==", "==="):
            found.add(PYPI, asked.name, one[0].version, file)
        else:
            found.leave(file, asked.name, ELSEWHERE if asked.url else "is not pinned to one version")


def npm(file: str, data: bytes, found: Inventory) -> None:
    document = table(json.loads(data.decode("utf-8-sig")))
    if "packages" not in document:
        _old_npm(file, document, found)
        return
    for at, value in table(document["packages"]).items():
        entry = table(value)
        if not at or entry.get("link") or FOLDER not in at:
            continue  # the project's own folders
        name = entry.get("name") or at.rpartition(FOLDER)[2]  # an alias says what it is an alias of
        _npm_entry(file, name, entry.get("version"), entry.get("resolved"), found)


def _old_npm(file: str, document: Mapping[str, Any], found: Inventory) -> None:
    """lockfileVersion 1."""
    line = [table(document.get("dependencies"))]
    while line:
        for name, value in line.pop().items():
            entry = table(value)
            line.append(table(entry.get("dependencies")))
            version = str(entry.get("version"))
            alias, _, exact = version.removeprefix("npm:").rpartition("@")
            named, version = (alias, exact) if alias and version.startswith("npm:") else (name, version)
            _npm_entry(file, named, version, entry.get("resolved"), found)


def _npm_entry(file: str, name: object, version: object, resolved: object, found: Inventory) -> None:
    if isinstance(resolved, str) and not SERVED.match(resolved):
        found.leave(file, str(name), ELSEWHERE)
    else:
        found.add(NPM, name, version, file)


def cargo(file: str, data: bytes, found: Inventory) -> None:
    for entry in _packages(toml(data.decode()), "package"):
        source = str(entry.get("source", ""))
        if SERVED.match(source):
            found.add(CARGO, entry.get("name"), entry.get("version"), file)
        elif source:
            found.leave(file, str(entry.get("name")), ELSEWHERE)


def go(file: str, data: bytes, found: Inventory) -> None:
    """go.mod (https://go.dev/ref/mod#go-mod-file): since Go 1.17 it names what is needed indirectly, too."""
    block, required, replaced = "", [], set()
    for row in data.decode("utf-8", "replace").splitlines():
        line = row.partition("//")[0].strip()
        if opened := re.fullmatch(r"(\w+)\s*\(", line):
            block = opened[1]
        elif line == ")":
            block = ""
        else:
            verb, rest = (block, line) if block else (line.partition(" ")[0], line.partition(" ")[2])
            words = rest.split()
            if verb == "require" and len(words) == 2:
                required.append((words[0], words[1]))
            elif verb == "replace" and words:
                replaced.add(words[0])
    for name, version in required:
        if name in replaced:
            found.leave(file, name, "is replaced by something else")
        else:
            found.add(GO, name, version, file)


READERS: Final[tuple[tuple[re.Pattern[str], Reader], ...]] = (
    (re.compile(r"uv\.lock"), uv),
    (re.compile(r"poetry\.lock"), poetry),
    (re.compile(r"pylock(?:\.[^.]+)?\.toml"), pylock),
    (re.compile(r"Pipfile\.lock"), pipenv),
    (re.compile(r"(?:.*[-_.])?(?:requirements|constraints)(?:[-_.].*)?\.txt"), requirements),
    (re.compile(r"package-lock\.json|npm-shrinkwrap\.json"), npm),
    (re.compile(r"Cargo\.lock"), cargo),
    (re.compile(r"go\.mod"), go),
)
UNREAD: Final = frozenset(
    {"yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "pdm.lock", "Gemfile.lock", "composer.lock", "mix.lock"}
)
"""Lock files of other formats: that they are there, and not read, is told."""


def reader_of(path: str) -> Reader | None:
    """Who reads the file at `path`, by its name; a text file in a folder `requirements` is pip's."""
    folder, _, name = path.rpartition("/")
    for pattern, reader in READERS:
        if pattern.fullmatch(name):
            return reader
    return requirements if folder.rpartition("/")[2] == "requirements" and name.endswith(".txt") else None


def _packages(document: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    return (table(entry) for entry in document.get(key) or ())
