"""The Dockerfile: the classic builder's language alone, and what it copies is there. `--full`: it builds and serves."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILDKIT = re.compile(
    r"^#\s*(?:syntax|check)\s*=|<<-?\s*[\"']?\w+|\s--(?:mount|network|security|link|chmod|parents|exclude|checksum)\b"
)
KNOWN = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "ENTRYPOINT"}


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction with its arguments, its continued lines as one."""
    whole = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    for line in whole.splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, rest.strip()


TEXT = (ROOT / "Dockerfile").read_text()
STEPS = list(instructions(TEXT))


def test_the_dockerfile_has_no_buildkit_syntax() -> None:
    assert [line for line in TEXT.splitlines() if BUILDKIT.search(line)] == []
    assert {name for name, _ in STEPS} <= KNOWN


@pytest.mark.parametrize(
    "line",
    [
        "# syntax=docker/dockerfile:1",
        "RUN --mount=type=cache,target=/root/.cache pip install .",
        "RUN <<EOF",
        'COPY <<"EOF" /x',
        "COPY --link src src",
        "COPY --chmod=755 a b",
        "RUN --network=none true",
    ],
)
def test_buildkits_syntax_would_be_seen(line: str) -> None:
    assert BUILDKIT.search(line)


def test_the_base_is_an_argument_without_a_default_so_that_no_registry_is_named() -> None:
    assert STEPS[:2] == [("ARG", "BASE"), ("FROM", "${BASE}")]
    assert [name for name, _ in STEPS].count("FROM") == 1


def copied() -> list[str]:
    return [source for name, rest in STEPS if name == "COPY" for source in shlex.split(rest)[:-1]]


def test_every_source_that_is_copied_exists() -> None:
    assert len(copied()) > 5
    for source in copied():
        assert (ROOT / source).exists(), source


def test_what_the_build_of_the_package_reads_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    shipped = {"src", "tools", "resources", "hatch_build.py", "requirements.txt"}
    assert needed | shipped == set(copied())


def test_packages_come_by_hash_and_the_server_is_given_its_workspace() -> None:
    [install] = [rest for name, rest in STEPS if name == "RUN" and "pip" in rest]
    assert "--require-hashes -r requirements.txt" in install
    [entry] = [rest for name, rest in STEPS if name == "ENTRYPOINT"]
    assert entry == '["/opt/venv/bin/astro-mcp", "serve", "--in-process", "--root", "/workspace"]'
    assert ("VOLUME", "/data") in STEPS
