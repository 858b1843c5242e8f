"""What sources say of their builds, and what builds hand back: parsed as hostile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.packages import source_builds
from astro_mcp.sandbox.packages.build_system import LEGACY, build_system
from astro_mcp.sandbox.packages.built_wheels import BuiltWheels
from astro_mcp.sandbox.packages.source_builds import last_lines, wheel_of
from astro_mcp.sandbox.packages.wheels import Sdist


def found(*names: str) -> dict[str, SandboxFile]:
    return {name: SandboxFile(name, b"") for name in names}


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("a-1.0-py3-none-any.whl", "b-1.0-py3-none-any.whl"),
        ("b-1.0-py3-none-any.whl",),
        ("a-2.0-py3-none-any.whl",),
        ("sub/a-1.0-py3-none-any.whl",),
        ("a-1.0.tar.gz",),
        ("a-1.0-py3-none-any.whl\u202e.whl",),
    ],
)
def test_one_wheel_of_the_right_name_and_version_is_taken_over(names: tuple[str, ...]) -> None:
    source = Sdist(Path("file"), "a", "1.0", ".tar.gz", "0", "")
    with pytest.raises(InvalidInput):
        wheel_of(found(*names), source)
    assert wheel_of(found("A-1.0-py3-none-any.whl"), source).path == "A-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "text",
    [
        '[build-system]\nrequires = ["evil @ https://example.org/evil.whl"]',
        '[build-system]\nrequires = ["-r /etc/passwd"]',
        '[build-system]\nrequires = ["git+https://example.org/x"]',
        '[build-system]\nrequires = ["../x"]',
        '[build-system]\nrequires = "setuptools"',
        "[build-system]\nrequires = [1]",
        "[build-system]\nbuild-backend = 'flit_core.buildapi'",
        "[build-system]\nrequires = []\nbuild-backend = 'os;import x'",
        "[build-system]\nrequires = []\nbuild-backend = 7",
        "[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = ['../..']",
        "[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = ['/etc']",
        "build-system = 1",
        "[build-system",
        "a" + ".a" * 5_000 + " = 1",
        "a = " + "[" * 50_000,
        "# " + "x" * 300_000,
        "\0",
    ],
)
def test_a_hostile_project_file_gets_an_error_and_nothing_else(text: str) -> None:
    with pytest.raises(InvalidInput):
        build_system(text.encode())


def test_a_project_that_says_nothing_of_its_build_has_setuptools() -> None:
    for text in (None, b"", b"[project]\nname = 'x'"):
        assert build_system(text).requires == ("setuptools>=40.8.0", "wheel")
        assert build_system(text).backend == LEGACY
    assert build_system(b"[build-system]\nrequires = ['Cython']").requires == ("cython", "setuptools>=40.8.0")


def test_the_built_wheels_that_were_not_used_for_longest_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astro_mcp.sandbox.packages.built_wheels.MOST_BYTES", 250)
    kept, target = BuiltWheels(tmp_path / "built"), tmp_path / "target"
    target.mkdir()
    for age, key in enumerate("ab"):
        kept.keep(key, f"{key}-1.0-py3-none-any.whl", bytes(100))
        os.utime(tmp_path / "built" / key / f"{key}-1.0-py3-none-any.whl", (age, age))
    assert kept.put("a", target)
    kept.keep("c", "c-1.0-py3-none-any.whl", bytes(100))
    assert [kept.put(key, target) for key in "abc"] == [True, False, True]
    assert sorted(path.name[0] for path in target.iterdir()) == ["a", "c"]


def test_the_last_lines_are_few_and_clean() -> None:
    said = last_lines("".join(f"line {number}\r\n\n" for number in range(5_000)) + "\x1b]0;x\x07end \u202e")
    assert said.endswith("line 4999\n\\x1b]0;x\\x07end \\u202e")
    assert len(said.splitlines()) == 12
    assert len(last_lines("x" * 100_000)) == 1_200


@pytest.mark.parametrize(
    "said",
    [
        "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
        "../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc'], ['clang']]",
        "CMake Error: No CMAKE_C_COMPILER could be found.",
        "error: can't find Rust compiler",
        "FileNotFoundError: [Errno 2] No such file or directory: 'gcc'",
        "sh: 1: make: not found",
    ],
)
def test_a_missing_compiler_is_known_by_what_builds_say(said: str) -> None:
    assert source_builds.COMPILER.search(said)
    assert not source_builds.COMPILER.search("error: invalid command 'bdist_wheel'")
