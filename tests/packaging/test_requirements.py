"""The pinned files fit pyproject.toml, and name what they pin by hash alone."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-dev.txt": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
        *PROJECT["build-system"]["requires"],
    ],
}
FILES = [*ASKED, *sorted(f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("requirements-*.txt"))]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> list[str]:
    """The file's logical lines."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pinned(name: str) -> dict[str, set[str]]:
    """Versions by canonical name: more than one where a marker tells which Python takes which."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in entries(name):
        requirement = Requirement(HASH.sub("", entry).strip())
        [only] = requirement.specifier
        assert only.operator == "==", entry
        found[canonicalize_name(requirement.name)].add(only.version)
    return found


@pytest.mark.parametrize("name", ASKED)
def test_the_pinned_files_satisfy_what_pyproject_asks_for(name: str) -> None:
    versions = pinned(name)
    for text in ASKED[name]:
        requirement = Requirement(text)
        found = versions.get(canonicalize_name(requirement.name))
        assert found, f"{name} does not pin {requirement.name}"
        for version in found:
            assert requirement.specifier.contains(version), f"{name} pins {requirement.name} {version}, asked: {text}"


BOUNDS = {"<", "<=", "==", "~="}


def test_every_dependency_has_an_upper_bound() -> None:
    asked = {text for texts in ASKED.values() for text in texts}
    assert len(asked) > 30
    assert [text for text in asked if not BOUNDS & {one.operator for one in Requirement(text).specifier}] == []


def test_the_tests_run_on_what_is_shipped() -> None:
    assert set(entries("requirements.txt")) <= set(entries("requirements-dev.txt"))


@pytest.mark.parametrize("name", FILES)
def test_every_line_has_a_hash_and_none_names_a_place(name: str) -> None:
    assert entries(name)
    for entry in entries(name):
        rest, hashes = HASH.subn("", entry)
        assert hashes, entry
        assert "--" not in rest, f"an option in {name}: {rest}"
        assert "://" not in rest, f"an address in {name}: {rest}"
        assert " @ " not in rest, f"a direct reference in {name}: {rest}"
