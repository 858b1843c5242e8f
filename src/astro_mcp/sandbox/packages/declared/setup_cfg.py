"""setup.cfg, as setuptools reads it where pyproject.toml has no `[project]`, or leaves what is asked for to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from configparser import Error, RawConfigParser
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement

from astro_mcp.sandbox.packages.declared.dependency import UNKNOWN, Dependency
from astro_mcp.sandbox.packages.declared.purposes import chosen_names
from astro_mcp.sandbox.packages.requirements import LONGEST

NAME: Final = "setup.cfg"
LARGEST: Final = 100_000

Sections = Mapping[str, Mapping[str, str]]


def sections(data: bytes) -> Sections:
    """Raises `ValueError` where it can't be read."""
    if len(data) > LARGEST:
        raise ValueError(f"over {LARGEST:,} bytes")
    parser = RawConfigParser(strict=False, default_section="")
    try:
        parser.read_string(data.decode("utf-8"))
    except Error as error:
        raise ValueError(str(error).split("\n", maxsplit=1)[0]) from None
    return {name: dict(parser[name]) for name in parser.sections()}


def dependencies(said: Sections, leave: Callable[[str, str], None], *, tests: bool) -> Iterator[Dependency]:
    """What is needed; `leave` is told what can't be read, and why."""
    options, extras = said.get("options", {}), said.get("options.extras_require", {})
    values = [options.get("install_requires", "")]
    if tests:
        values += [options.get("tests_require", ""), *(extras[name] for name in chosen_names(extras))]
    for value in values:
        if value.startswith("file:"):
            leave(f"{NAME}: {value}", "requirements of another file")
        else:
            yield from read(value.split("\n"), leave)


def read(lines: Iterable[str], leave: Callable[[str, str], None]) -> Iterator[Dependency]:
    """One a line; `leave` is told what is none."""
    for line in filter(None, (row.partition(" #")[0].strip() for row in lines)):
        try:
            yield Dependency.of(Requirement(line if len(line) <= LONGEST else ""))
        except InvalidRequirement:
            leave(line, UNKNOWN)
