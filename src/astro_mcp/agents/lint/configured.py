"""Which linters a project configures, read from its own files. Their text is hostile, and nothing of it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.packages.npm_requirements import split
from astro_mcp.sandbox.packages.tables import table
from astro_mcp.workspace.toml import toml

PYPROJECT: Final = "pyproject.toml"
PACKAGE: Final = "package.json"
PRE_COMMIT: Final = ".pre-commit-config.yaml"
REQUIREMENTS: Final = ("requirements-dev.txt", "requirements-test.txt", "requirements-lint.txt", "dev-requirements.txt")
NAMED: Final = (PYPROJECT, PACKAGE, PRE_COMMIT, *REQUIREMENTS)
"""Files that may name a linter, beside the settings files of linters."""
MOST: Final = 50
"""Files that are looked into, those at the top first."""
LARGEST: Final = 1_000_000
LISTS: Final = frozenset({"optional-dependencies", "dependency-groups", "dev-dependencies", "dependencies", "group"})
"""Keys of pyproject.toml below which requirements stand, as a list or as keys."""
HOOK: Final = re.compile(r"^[ \t]*(?:-\s+)?id:\s*[\"']?([\w.-]+)", re.MULTILINE)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
COMMENT: Final = re.compile(r'("(?:\\.|[^"\\\n])*+"?)|//[^\n]*+|/\*[\s\S]*?(?:\*/|\Z)')
LAST_COMMA: Final = re.compile(r'("(?:\\.|[^"\\\n])*+"?)|,(?=\s*+[}\]])')
"""Each takes texts along, which are a group, so that nothing in one is meant."""
DEEPEST: Final = 20


class Configured:
    """What the files of one copy say."""

    def __init__(self, files: Iterable[SandboxFile], shared: Iterable[str]) -> None:
        """`shared` are the names of settings files that linters share. Blocks."""
        wanted = {*NAMED, *shared}
        found = [file for file in files if file.path.rpartition("/")[2] in wanted and len(file.data) <= LARGEST]
        found.sort(key=lambda file: (file.path.count("/"), file.path))
        self._texts = {file.path: file.data.decode("utf-8", "replace") for file in found[:MOST]}
        self._documents = {path: parsed(path, text) for path, text in self._texts.items()}
        self._names: set[str] = set()
        self._hooks: set[str] = set()
        for path, text in self._texts.items():
            self._take(path.rpartition("/")[2], self._documents[path], text)

    def names(self, linter: Linter) -> bool:
        """Whether a section, a dependency or a hook of pre-commit is of `linter`."""
        packages = {linter.name, *map(_name, linter.image.pip), *(split(package)[0] for package in linter.image.npm)}
        return (
            not packages.isdisjoint(self._names)
            or any(hook == linter.name or hook.startswith(f"{linter.name}-") for hook in self._hooks)
            or any(self.has_section(path, linter) for path in self._texts)
        )

    def mentions(self, word: str) -> bool:
        """Whether `word` stands in a file that may name a linter."""
        return any(word in text for text in self._texts.values())

    def has_section(self, path: str, linter: Linter) -> bool:
        """Whether the file at `path` has a section of `linter`."""
        sections = linter.sections.get(path.rpartition("/")[2], ())
        if path not in self._texts:
            return False
        return any(_has(path, self._documents[path], self._texts[path], section) for section in sections)

    def has_scope(self, linter: Linter) -> bool:
        """Whether settings at the top say what `linter` looks at."""
        there = ((name, key) for name, keys in linter.scopes.items() if name in self._texts for key in keys)
        return any(_has(name, self._documents[name], self._texts[name], key) for name, key in there)

    def _take(self, name: str, document: dict[str, Any], text: str) -> None:
        if name == PYPROJECT:
            self._names.update(map(_name, _requirements(document, inside=False, depth=0)))
        elif name == PACKAGE:
            for key in ("dependencies", "devDependencies"):
                self._names.update(table(document.get(key)))
        elif name == PRE_COMMIT:
            self._hooks.update(HOOK.findall(text))
        elif name in REQUIREMENTS:
            self._names.update(map(_name, text.splitlines()))


def parsed(name: str, text: str) -> dict[str, Any]:
    """Empty where it is no document: whoever's settings these are says so when it runs."""
    try:
        if name.endswith(".toml"):
            return toml(text)
        return table(json.loads(_plain(text))) if name.endswith(".json") else {}
    except (ValueError, RecursionError):
        return {}


def _plain(text: str) -> str:
    """JSON without the comments and last commas that pyright and others take in theirs."""
    for pattern in (COMMENT, LAST_COMMA):
        text = pattern.sub(lambda found: found[1] or "", text)
    return text


def _requirements(value: Any, *, inside: bool, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if inside and not isinstance(inner, list):
                yield key
            yield from _requirements(inner, inside=inside or key in LISTS, depth=depth + 1)
    elif isinstance(value, list) and inside:
        yield from (item for item in value if isinstance(item, str))


def _name(text: str) -> str:
    found = NAME.match(text.strip())
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def _has(name: str, document: Mapping[str, Any], text: str, section: str) -> bool:
    if name.endswith((".toml", ".json")):
        value: Any = document
        for key in section.split("."):
            value = table(value).get(key)
        return value is not None
    return re.search(rf"^\[{re.escape(section)}\]", text, re.MULTILINE) is not None
