"""What `lint_audit` reads out of lock files of every format, and that hostile ones get nothing else out."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.quickest import computed

from astro_mcp.agents.lint.audit.formats import READERS, reader_of
from astro_mcp.agents.lint.audit.inventory import CARGO, Inventory, Pin
from astro_mcp.agents.lint.audit.severity import score, word
from astro_mcp.agents.lint.audit.versions import next_fixed
from astro_mcp.errors import TooLarge

UV = """
version = 1
[[package]]
name = "project"
version = "1"
source = { virtual = "." }
[[package]]
name = "Jinja2"
version = "3.1.2"
source = { registry = "https://index.example/simple" }
[[package]]
name = "torch"
version = "2.1.0+cu118"
source = { registry = "https://index.example/simple" }
[[package]]
name = "ours"
version = "1"
source = { git = "https://git.example/ours" }
"""
POETRY = """
[[package]]
name = "jinja2"
version = "3.1.2"
[[package]]
name = "inner"
version = "1"
[package.source]
type = "legacy"
url = "https://index.example/simple"
"""
PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "jinja2"
version = "3.1.2"
wheels = [{url = "https://files.example/jinja2.whl"}]
[[packages]]
name = "ours"
directory = {path = "."}
"""
PIPENV = json.dumps(
    {"_meta": {"pipfile-spec": 6}, "default": {"jinja2": {"version": "==3.1.2"}}, "develop": {"ours": {"git": "x"}}}
)
REQUIREMENTS = """
--index-url https://index.example/simple
# a comment
Jinja2==3.1.2 \\
    --hash=sha256:00 --hash=sha256:11
six>=1 ; python_version < "3"
-r base.in
ours @ https://files.example/ours.whl
"""
NPM = json.dumps(
    {
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "project"},
            "node_modules/@scope/a": {"version": "1.2.3", "resolved": "https://registry.example/a.tgz", "dev": True},
            "node_modules/@scope/a/node_modules/b": {"version": "4.5.6-rc.1"},
            "node_modules/alias": {"name": "real", "version": "1.0.0"},
            "node_modules/gitted": {"version": "1.0.0", "resolved": "git+ssh://git.example/x.git#0"},
            "node_modules/mine": {"link": True, "resolved": "packages/mine"},
            "packages/mine": {"version": "0.1.0"},
        },
    }
)
OLD_NPM = json.dumps(
    {
        "lockfileVersion": 1,
        "dependencies": {
            "@scope/a": {"version": "1.2.3", "dependencies": {"b": {"version": "4.5.6-rc.1"}}},
            "alias": {"version": "npm:real@1.0.0"},
            "gitted": {"version": "git+ssh://git.example/x.git#0"},
        },
    }
)
CARGO_LOCK = """
[[package]]
name = "project"
version = "0.1.0"
[[package]]
name = "time"
version = "0.1.40"
source = "registry+https://index.example/"
[[package]]
name = "ours"
version = "0.1.0"
source = "git+https://git.example/ours"
"""
GO_MOD = """
module git.example/project
go 1.21
require golang.org/x/text v0.3.0
require (
	github.com/a/b v1.2.3 // indirect
	git.example/replaced v1.0.0
)
replace git.example/replaced => ../replaced
"""
JINJA = Pin("PyPI", "jinja2", "3.1.2")
NODE = {Pin("npm", "@scope/a", "1.2.3"), Pin("npm", "b", "4.5.6-rc.1"), Pin("npm", "real", "1.0.0")}


def read(file: str, data: bytes) -> Inventory:
    found, reader = Inventory(), reader_of(file)
    assert reader is not None
    reader(file, data, found)
    return found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", 'source = { registry = "../wheels" }'),
        ("uv.lock", 'source = { registry = "file:///srv/wheels" }'),
        ("Cargo.lock", 'source = "registry+file:///srv/crates"'),
    ],
)
def test_a_registry_that_is_a_folder_is_asked_about_nowhere(file: str, text: str) -> None:
    found = read(file, f'[[package]]\nname = "ours"\nversion = "1.0.0"\n{text}\n'.encode())
    assert (list(found.pins), len(found.unchecked)) == ([], 1)
    assert "ours comes from an address, a folder" in found.unchecked[0]


@pytest.mark.parametrize(
    ("file", "text", "pins", "unchecked"),
    [
        ("uv.lock", UV, {JINJA, Pin("PyPI", "torch", "2.1.0")}, ["ours"]),
        ("a/poetry.lock", POETRY, {JINJA}, ["inner"]),
        ("pylock.dev.toml", PYLOCK, {JINJA}, ["ours"]),
        ("Pipfile.lock", PIPENV, {JINJA}, ["ours"]),
        ("requirements-dev.txt", REQUIREMENTS, {JINJA}, ["six", "-r", "ours"]),
        ("requirements/dev.txt", REQUIREMENTS, {JINJA}, ["six", "-r", "ours"]),
        ("package-lock.json", NPM, NODE, ["gitted"]),
        ("npm-shrinkwrap.json", OLD_NPM, NODE, ["gitted"]),
        ("Cargo.lock", CARGO_LOCK, {Pin(CARGO, "time", "0.1.40")}, ["ours"]),
        (
            "go.mod",
            GO_MOD,
            {Pin("Go", "golang.org/x/text", "0.3.0"), Pin("Go", "github.com/a/b", "1.2.3")},
            ["git.example/replaced"],
        ),
    ],
)
def test_each_format_gives_its_packages_and_tells_what_it_can_not_name(
    file: str, text: str, pins: set[Pin], unchecked: list[str]
) -> None:
    found = read(file, text.encode())
    assert set(found.pins) == pins
    assert [line.removeprefix(f"{file}: ").split()[0] for line in found.unchecked] == unchecked


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_requirements_as_windows_writes_them_give_the_same_packages(mark: str) -> None:
    found = read(
        "requirements.txt", f"jinja2==3.1.2 \\\r\n    --hash=sha256:{'0' * 64}\r\n# \\\r\nsix\r\n".encode(mark)
    )
    assert set(found.pins) == {JINJA}
    assert [line.removeprefix("requirements.txt: ").split()[0] for line in found.unchecked] == ["six"]


def test_the_lock_of_this_project_is_read_whole() -> None:
    """A real one, of some hundred packages with hashes and markers."""
    text = (Path(__file__).parents[3] / "requirements.txt").read_text()
    found = read("requirements.txt", text.encode())
    assert len(found.pins) == len(re.findall(r"^[A-Za-z0-9]\S*==", text, re.MULTILINE)) > 50
    assert found.unchecked == []


@pytest.mark.parametrize("name", ["setup.txt", "requirements.in", "notes/base.txt", "lock.toml", "package.json"])
def test_other_files_are_no_lock(name: str) -> None:
    assert reader_of(name) is None


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "version", "source", "packages", "dependencies", "x/y", "a"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.one_of(st.binary(max_size=200), VALUES.map(lambda value: json.dumps(value).encode())))
def test_whatever_a_file_holds_only_names_and_versions_come_out(data: bytes) -> None:
    for _, reader in READERS:
        found = Inventory()
        try:
            reader("file", data, found)
        except (ValueError, AttributeError, TypeError, RecursionError):
            continue
        for pin in found.pins:
            assert re.fullmatch(r"[A-Za-z0-9@._/~-]{1,300}", pin.name, re.ASCII), pin
            assert re.fullmatch(r"[A-Za-z0-9.+!-]{1,120}", pin.version, re.ASCII), pin


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("a b", "1.0.0"),
        ("../a", "1.0.0"),
        ("a\nb", "1.0.0"),
        ("a" * 400, "1.0.0"),
        ("a", "1.0.0\n2"),
        ("a", "latest"),
        ("a", "1.0.0 || 2"),
        ("a", None),
        (1, "1.0.0"),
    ],
)
def test_what_is_no_name_and_version_does_not_leave(name: object, version: object) -> None:
    found = Inventory()
    for ecosystem in ("npm", "PyPI", "Go", CARGO):
        found.add(ecosystem, name, version, "file")
    assert not found.pins
    assert all("\n" not in line and len(line) < 300 for line in found.unchecked)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", " " * 4_000_000),
        ("requirements.txt", "a" + " " * 4_000_000 + "x"),
        ("package-lock.json", json.dumps({"dependencies": {"a": {"version": "npm:" + "@a" * 50_000 + "\n"}}})),
        pytest.param("requirements.txt", "a>=1\n" * 400_000, marks=pytest.mark.full),
        pytest.param("requirements.txt", "@\n" * 400_000, marks=pytest.mark.full),
        pytest.param("go.mod", "require " + "a" * 4_000_000, marks=pytest.mark.full),
        pytest.param("go.mod", "require a.b/c v1\n" * 200_000, marks=pytest.mark.full),
        pytest.param(
            "package-lock.json",
            '{"packages":{' + ",".join(f'"node_modules/{n}":{{}}' for n in range(150_000)) + "}}",
            marks=pytest.mark.full,
        ),
        pytest.param("Cargo.lock", "[[package]]\n" * 100_000, marks=pytest.mark.full),
    ],
)
def test_a_file_that_is_made_to_cost_is_refused_or_read_in_time(file: str, text: str) -> None:
    def once() -> None:
        with contextlib.suppress(TooLarge, ValueError):
            read(file, text.encode())

    computed(20, once)


@pytest.mark.parametrize(
    ("ecosystem", "version", "fixed", "expected"),
    [
        ("PyPI", "1.9", ["1.10", "2.0", "1.2"], "1.10"),
        ("PyPI", "2.0rc1", ["2.0"], "2.0"),
        ("npm", "1.9.0", ["1.10.0", "1.2.0"], "1.10.0"),
        ("npm", "2.0.0-rc.2", ["2.0.0-rc.10", "2.0.0"], "2.0.0-rc.10"),
        ("Go", "0.3.0", ["0.3.3", "v0.3.2"], "v0.3.2"),
        ("npm", "3.0.0", ["1.0.0", "not a version"], ""),
    ],
)
def test_fixed_in_is_the_next_version_and_not_the_first_that_is_named(
    ecosystem: str, version: str, fixed: list[str], expected: str
) -> None:
    assert next_fixed(ecosystem, version, fixed) == expected


@pytest.mark.parametrize(
    ("vector", "base", "rating"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, "critical"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, "medium"),
        ("CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8, "high"),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1, "low"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, "critical"),
    ],
)
def test_scores_are_those_of_the_published_calculator(vector: str, base: float, rating: str) -> None:
    assert score(vector) == base
    assert word(base) == rating


@pytest.mark.parametrize("text", ["", "CVSS:2.0/AV:N", "CVSS:3.1/AV:N", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"])
def test_another_text_has_no_score(text: str) -> None:
    assert score(text) is None
