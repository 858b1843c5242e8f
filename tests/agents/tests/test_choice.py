"""Which runner a call means, by the files that are there; and what a project needs of Go modules and crates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.agents.tests.bench import write
from tests.quickest import computed

from astro_mcp.agents.tests.choice import Choice, by_name, choose, named
from astro_mcp.agents.tests.metadata import metadata
from astro_mcp.agents.tests.vendored import check_cargo, check_go
from astro_mcp.errors import InvalidInput, Unsupported
from astro_mcp.packs import Pack
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.workspace.place import Place

RUNNERS = Pack.find().manifests("runner")
JEST = '{"devDependencies": {"jest": "^29"}}'


def choice(root: Path, path: str = "", files: Sequence[str] = (), names: Sequence[str] = ()) -> Choice:
    def text(mark: Place) -> str:
        return mark.path.read_text()

    return choose(RUNNERS, Place(root, path), files or [path.rpartition("/")[2]], text, lambda: names)


@pytest.mark.parametrize(
    ("files", "path", "runner", "top"),
    [
        ({}, "", "pytest", ""),
        ({"pyproject.toml": ""}, "", "pytest", ""),
        ({"tox.ini": "commands = python -m unittest discover"}, "", "unittest", ""),
        ({"setup.cfg": "", "Makefile": 'python3 "-m", "unittest"'}, "", "unittest", ""),
        ({"tox.ini": "commands =\n  python -m unittest\n  pytest"}, "", "pytest", ""),
        ({"package.json": JEST}, "", "jest", ""),
        ({"package.json": '{"scripts": {"test": "jest --coverage"}}'}, "", "jest", ""),
        ({"package.json": '{"devDependencies": {"eslint-plugin-jest": "1"}}'}, "", "pytest", ""),
        ({"package.json": '{"scripts": {"test": "vitest run"}}'}, "", "vitest", ""),
        ({"package.json": '{"scripts": {"build": "x", "test": "node --import tsx --test"}}'}, "", "node", ""),
        ({"package.json": '{"scripts": {"test": "node test.js"}}'}, "", "pytest", ""),
        ({"go.mod": "module x"}, "", "go", ""),
        ({"Cargo.toml": ""}, "", "cargo", ""),
        ({"CMakeLists.txt": "project(x)\nenable_testing ()"}, "", "ctest", ""),
        ({"CMakeLists.txt": "INCLUDE(CTest)"}, "", "ctest", ""),
        ({"CMakeLists.txt": "project(x)"}, "", "pytest", ""),
        ({"package.json": JEST, "web/package.json": "{}", "web/a.js": ""}, "web", "jest", ""),
        ({"pyproject.toml": "pytest", "rust/Cargo.toml": "", "rust/src/lib.rs": ""}, "rust/src", "cargo", "rust"),
        ({"Cargo.toml": "[workspace]", "a/Cargo.toml": "[package]"}, "a", "cargo", ""),
        ({"Cargo.toml": "[workspace.package]\n", "a/Cargo.toml": "", "pyproject.toml": ""}, "a", "cargo", ""),
        ({"Cargo.toml": "[workspace]", "a/Cargo.toml": "[package]\n[workspace]"}, "a", "cargo", "a"),
        ({"Cargo.toml": "[package]", "a/Cargo.toml": "[package]"}, "a", "cargo", "a"),
        ({"pyproject.toml": "pytest", "package.json": JEST, "a.test.js": ""}, "a.test.js", "jest", ""),
        ({"pyproject.toml": "", "package.json": JEST, "test_a.py": ""}, "test_a.py", "pytest", ""),
    ],
)
def test_the_runner_is_the_one_that_the_nearest_project_names(
    tmp_path: Path, files: dict[str, str], path: str, runner: str, top: str
) -> None:
    write(tmp_path, files)
    found = choice(tmp_path, path)
    assert (found.runner.name, found.top) == (runner, top)


def test_where_two_fit_the_one_with_more_tests_runs_and_the_other_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[tool.pytest.ini_options]", "package.json": JEST})
    for names, taken, told in (
        (["test_a.py", "b_test.py", "a.test.js"], "pytest", ("jest",)),
        (["test_a.py", "a.test.js", "b.test.ts"], "jest", ("pytest",)),
    ):
        found = choice(tmp_path, names=names)
        assert (found.runner.name, found.others) == (taken, told)


def test_a_project_of_javascript_that_names_no_runner_is_not_taken_for_one_of_pytests(tmp_path: Path) -> None:
    write(tmp_path, {"package.json": '{"scripts": {"test": "wrapped"}}'})
    with pytest.raises(InvalidInput) as caught:
        choice(tmp_path, names=["index.js", "a.test.js"])
    assert caught.value.hint == "name one as runner: jest, node, vitest"
    assert choice(tmp_path, names=["a.test.js", "test_a.py"]).runner.name == "pytest"


def test_ids_tell_the_runner_by_their_files(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "pytest", "package.json": JEST})
    assert choice(tmp_path, files=["b.test.js"]).runner.name == "jest"
    assert choice(tmp_path, files=["test_b.py"]).runner.name == "pytest"


def test_a_runner_that_a_call_names_runs_wherever_and_a_wrong_name_gets_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, {"sub/package.json": "{}"})
    found = named(by_name(RUNNERS, " Jest "), Place(tmp_path, "sub"), lambda mark: mark.path.read_text())
    assert (found.runner.name, found.top) == ("jest", "sub")
    with pytest.raises(InvalidInput) as caught:
        by_name(RUNNERS, "vites")
    assert "did you mean vitest?" in caught.value.hint


def project(files: dict[str, str]) -> dict[str, SandboxFile]:
    return {path: SandboxFile(path, text.encode()) for path, text in files.items()}


GO = "module example.org/m\n\ngo 1.22\n\nrequire (\n\texample.com/x/y v1.2.3\n\tgopkg.in/z.v2 v2.0.0 // indirect\n)\n"


def test_go_modules_that_are_not_in_the_project_are_told_with_the_command_that_puts_them_there() -> None:
    with pytest.raises(Unsupported) as caught:
        check_go(project({"go.mod": GO}))
    assert "example.com/x/y, gopkg.in/z.v2" in caught.value.message
    assert "go mod vendor" in caught.value.hint
    check_go(project({"go.mod": GO, "vendor/modules.txt": "# example.com/x/y"}))
    check_go(project({"go.mod": "module m\n\ngo 1.22\n"}))
    check_go(project({}))
    check_go(project({"go.mod": "module m\nrequire example.org/own v0.0.0\nreplace example.org/own => ../own\n"}))


@pytest.mark.parametrize("costly", ["\n" * 10_000, "\t" + "a." * 50_000, " " * 100_000, "a.a" + " " * 100_000])
def test_a_go_mod_that_is_made_to_cost_is_read_in_time(costly: str) -> None:
    files = project({"go.mod": f"{GO}\n{costly}x\n"})

    def refuse() -> None:
        with pytest.raises(Unsupported, match=r"gopkg\.in/z\.v2"):
            check_go(files)

    computed(1, refuse)


LOCK = 'version = 3\n[[package]]\nname = "toy"\nversion = "0.1.0"\n'


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({"Cargo.lock": LOCK}, ""),
        ({"Cargo.lock": f'{LOCK}[[package]]\nname = "serde"\nsource = "registry"\n'}, "serde"),
        (
            {
                "Cargo.lock": f'{LOCK}[[package]]\nname = "serde"\nsource = "x"\n',
                ".cargo/config.toml": "[source.a]\nb=1",
            },
            "",
        ),
        ({"Cargo.toml": '[dependencies]\nserde = "1"\nown = {path = "own"}\n'}, "serde"),
        ({"Cargo.toml": "[target.'cfg(unix)'.dev-dependencies]\nlibc = '1'\n"}, "libc"),
        ({"Cargo.toml": "[workspace]\nmembers = ['a']\n", "a/Cargo.toml": "[dependencies]\nrand = '1'\n"}, "rand"),
        ({"Cargo.toml": "[package]\nname = 'toy'\n[dependencies]\n"}, ""),
    ],
)
def test_crates_that_are_not_in_the_project_are_told(files: dict[str, str], missing: str) -> None:
    if not missing:
        check_cargo(project(files))
        return
    with pytest.raises(Unsupported) as caught:
        check_cargo(project(files))
    assert caught.value.message.endswith(f": {missing}")


def test_a_file_of_cargo_that_is_no_toml_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"Cargo\.lock is no TOML"):
        check_cargo(project({"Cargo.lock": "= ="}))


def test_a_key_of_5000_parts_is_told_of_cargo_and_is_no_name_of_a_project() -> None:
    deep = "a" + ".a" * 5_000 + " = 1\n"
    with pytest.raises(InvalidInput, match="16 parts"):
        check_cargo(project({"Cargo.toml": deep}))
    assert metadata(project({"pyproject.toml": f"[project]\nname = 'x'\nversion = '1'\n{deep}"})) == ()
