"""`lint_check` through the whole call path, with real linters in real containers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.tests.bench import Bench, at_once, bench, write

from astro_mcp.agents.lint.models import CheckOutput
from astro_mcp.core.authority import Effect, Label
from astro_mcp.errors import InvalidInput, NoRoot, SandboxUnavailable
from astro_mcp.packs import Pack
from astro_mcp.sandbox.job import Job, SandboxFile

UNUSED = "import os\n"
TOY = """
schema = 1
kind = "linter"
name = "toy"
install_hint = "write toy yourself"
detect = ["*.py"]
argv = ["python3", "-c", "print(open('report.txt').read()); raise SystemExit(int(open('code.txt').read()))", "{paths}"]
[image]
pip = ["pytest>=7"]
[report]
format = "json"
[report.fields]
file = "f"
line = "l"
message = "m"
rule = "r"
"""


async def test_findings_are_those_of_ruff_itself_with_file_line_column_rule_and_fix(
    house: Bench, project: Path
) -> None:
    write(project, {"src/a.py": "import os\nl = 1\nassert l == None\n", "src/broken.py": "def f(:\n"})
    image = await house.sandbox.python_image("local", ["ruff==0.17.6"])
    files = tuple(SandboxFile(f"src/{path.name}", path.read_bytes()) for path in (project / "src").iterdir())
    argv = ("ruff", "check", "--output-format=json", "--no-cache", ".")
    result, own = await at_once(house.check(), house.sandbox.run(Job(argv, files=files, image=image)))
    expected = [
        (
            item["filename"].removeprefix("/workspace/"),
            item["location"]["row"],
            item["location"]["column"],
            item["code"],
            bool(item["fix"] and item["fix"]["applicability"] == "safe"),
        )
        for item in json.loads(own.stdout)
    ]
    assert sorted((i.file, i.line, i.column, i.rule, i.fixable) for i in result.items) == sorted(expected)
    assert ("src/a.py", 1, 8, "F401", True) in expected
    assert (result.tools_run, result.total, result.missing_tools, result.failed_tools) == (
        ["ruff"],
        len(expected),
        [],
        [],
    )
    assert "src/a.py:1:8 error ruff F401" in result.text()


async def test_the_settings_of_the_project_hold_for_a_single_file_below_too(house: Bench, project: Path) -> None:
    write(project, {"pyproject.toml": '[tool.ruff.lint]\nselect = ["D100"]\n', "src/deep/a.py": UNUSED, "b.py": UNUSED})
    result = await house.check(paths=["src/deep/a.py"])
    assert [(item.file, item.rule) for item in result.items] == [("src/deep/a.py", "D100")]


async def test_settings_that_are_wrong_are_told_and_are_not_silence(house: Bench, project: Path) -> None:
    write(project, {"ruff.toml": "no-such-key = 1\n", "a.py": UNUSED})
    result = await house.check()
    assert result.tools_run == []
    assert [(failed.tool, failed.exit_code) for failed in result.failed_tools] == [("ruff", 2)]
    assert "no-such-key" in result.text()


@pytest.mark.parametrize(
    "settings", ["fix = true\nfix-only = true\n", pytest.param("fix = true\n", marks=pytest.mark.full)]
)
async def test_a_project_that_asks_for_fixes_is_not_fixed_and_every_finding_is_told(
    house: Bench, project: Path, settings: str
) -> None:
    write(project, {"ruff.toml": settings, "a.py": UNUSED})
    assert [item.rule for item in (await house.check()).items] == ["F401"]
    assert (project / "a.py").read_text() == UNUSED
    assert sorted(path.name for path in project.iterdir()) == ["a.py", "ruff.toml"]


@pytest.mark.parametrize(
    ("name", "files", "rule"),
    [
        ("ruff", {"a.py": UNUSED}, "F401"),
        pytest.param(
            "eslint",
            {"a.js": "debugger;\n", "eslint.config.mjs": "export default [{rules: {'no-debugger': 'error'}}];\n"},
            "no-debugger",
            marks=pytest.mark.full,
        ),
    ],
)
async def test_no_program_of_the_project_or_of_this_machine_stands_in_for_a_linter(
    house: Bench, project: Path, monkeypatch: pytest.MonkeyPatch, name: str, files: dict[str, str], rule: str
) -> None:
    """Each finds nothing, and the one that runs here leaves something behind."""
    ran = project.parent / "ran"
    places = (name, f"bin/{name}", f".venv/bin/{name}", f"node_modules/.bin/{name}", f"../path/{name}")
    write(project, {**files, **dict.fromkeys(places, f"#!/bin/sh\necho x >{ran}\necho '[]'\n")})
    for place in places:
        (project / place).chmod(0o755)
    write(project, {f"{name}.py": "print('[]'); raise SystemExit(0)\n"})
    monkeypatch.setenv("PATH", f"{project.parent / 'path'}:{project / '.venv/bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("VIRTUAL_ENV", str(project / ".venv"))
    result = await house.check(tools=[name])
    assert [(item.tool, item.rule) for item in result.items] == [(name, rule)]
    assert not ran.exists()


async def test_what_is_asked_for_is_checked_and_nothing_else(house: Bench, project: Path) -> None:
    write(project, {"a/a.py": UNUSED, "b/b.py": UNUSED, "notes.md": "import os", "-x.py": UNUSED})
    assert {item.file for item in (await house.check(paths=["b", "notes.md", "-x.py"])).items} == {"b/b.py", "-x.py"}


async def test_where_no_linter_fits_none_runs_and_that_is_said(house: Bench, project: Path) -> None:
    write(project, {"notes.md": "text"})
    for arguments in ({}, {"tools": ["ruff"], "paths": ["notes.md"]}):
        result = await house.check(**arguments)
        assert (result.items, result.tools_run) == ([], [])
    assert "no linter" in result.text()


async def test_a_file_is_told_by_its_own_name_with_every_blank_that_is_in_it(house: Bench, project: Path) -> None:
    names = ["a  b.py", "c\u3000d.py", "e\u202ff.py", "g\u2028h.py", " i .py"]
    write(project, dict.fromkeys(names, UNUSED))
    assert sorted(item.file for item in (await house.check()).items) == sorted(names)
    assert [item.file for item in (await house.check(paths=[names[1]])).items] == [names[1]]


@pytest.mark.full
async def test_what_a_linter_that_follows_imports_finds_in_a_file_with_an_odd_name_is_not_lost(
    house: Bench, project: Path
) -> None:
    write(project, {"c\u3000d.py": "x: int = ''\n"})
    found = (await house.check(tools=["mypy"], paths=["c\u3000d.py"])).items
    assert [(item.file, item.rule) for item in found] == [("c\u3000d.py", "assignment")]


@pytest.mark.full
async def test_two_linters_run_and_yamllint_only_where_it_has_settings_or_is_named(house: Bench, project: Path) -> None:
    write(project, {"a.py": UNUSED, "b.yaml": "a: 1\na: 2\n"})
    assert (await house.check()).tools_run == ["ruff"]
    named = await house.check(tools=["yamllint"])
    assert named.tools_run == ["yamllint"]
    error = next(item for item in named.items if item.rule == "key-duplicates")
    assert (error.file, error.line, error.column, error.severity) == ("b.yaml", 2, 1, "error")
    assert {item.severity for item in named.items} == {"error", "warning"}
    write(project, {".yamllint": "extends: default\n"})
    both = await house.check(min_severity="error")
    assert both.tools_run == ["ruff", "yamllint"]
    assert {(item.tool, item.rule) for item in both.items} == {("ruff", "F401"), ("yamllint", "key-duplicates")}


@pytest.mark.full
async def test_more_findings_than_fit_are_counted_and_told(house: Bench, project: Path) -> None:
    write(project, {"a.py": "import os;" * 10_050})
    result = await house.check()
    assert len(result.items) == 10_000
    assert result.total > 10_050
    assert result.truncated


async def test_secrets_do_not_reach_the_sandbox_and_are_told(house: Bench, project: Path) -> None:
    write(project, {".env": "KEY=1", "a.py": UNUSED})
    assert any(entry.startswith(".env") for entry in (await house.check()).left_out)


async def test_an_unknown_linter_is_refused_with_the_nearest_name(house: Bench, project: Path) -> None:
    error = (await house.call("lint_check", tools=["rufff"])).error
    assert isinstance(error, InvalidInput)
    assert "ruff" in error.hint


@pytest.mark.parametrize(
    "arguments",
    [
        {"paths": ["../x"]},
        {"paths": ["no/such"]},
        {"paths": ["/etc"]},
        {"min_severity": "fatal"},
    ],
)
async def test_bad_arguments_are_refused(house: Bench, project: Path, arguments: dict[str, Any]) -> None:
    error = (await house.call("lint_check", **arguments)).error
    assert error is not None
    assert error.code in ("invalid_input", "path_denied", "not_found")


def toy_pack(folder: Path, text: str) -> Pack:
    (folder / "tools" / "linters").mkdir(parents=True)
    (folder / "resources").mkdir()
    (folder / "tools" / "linters" / "toy.tool.toml").write_text(text)
    return Pack.first([folder])


async def run_toy(tmp_path: Path, images: Path, output: str, code: int = 0, pip: str = "pytest>=7") -> CheckOutput:
    write(tmp_path / "project", {"a.py": "", "report.txt": output, "code.txt": str(code)})
    pack = toy_pack(tmp_path / "pack", TOY.replace("pytest>=7", pip))
    async with bench(tmp_path / "data", (tmp_path / "project",), images, pack) as house:
        return await house.check()


async def test_linters_of_one_call_run_at_the_same_time(tmp_path: Path, images: Path) -> None:
    """Two that never end: both are up in one moment, or the second waits for the first in vain."""
    argv = TOY.index("argv"), TOY.index("[image]")
    waiting = TOY[: argv[0]] + 'argv = ["sh", "-c", "sleep 600", "{paths}"]\n' + TOY[argv[1] :]
    pack = toy_pack(tmp_path / "pack", waiting)
    second = waiting.replace('name = "toy"', 'name = "second"')
    (tmp_path / "pack/tools/linters/second.tool.toml").write_text(second)
    write(tmp_path / "project", {"a.py": ""})
    async with bench(tmp_path / "data", (tmp_path / "project",), images, pack) as house:
        before = await house.containers()
        async with anyio.create_task_group() as group:
            group.start_soon(house.call, "lint_check")
            with anyio.fail_after(60):
                while len(await house.containers() - before) < 2:
                    await anyio.sleep(0.05)
            group.cancel_scope.cancel()
        await house.sandbox.close()
        assert await house.containers() <= before, "what was cancelled has ended"


async def test_a_linter_that_can_not_be_had_is_named_with_what_to_do(tmp_path: Path, images: Path) -> None:
    result = await run_toy(tmp_path, images, "[]", pip="six==0.0.0.0.1")
    assert [(tool.tool, tool.install_hint) for tool in result.missing_tools] == [("toy", "write toy yourself")]
    assert result.tools_run == []
    assert "MISSING toy" in result.text()


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("[]", 3),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in (("not json", 0), ("{}", 0), ("[" * 5_000, 0), ("[]", 1), ("", 0))
        ),
    ],
)
@pytest.mark.full
async def test_a_report_that_is_none_is_a_failure_and_not_clean(
    tmp_path: Path, images: Path, output: str, code: int
) -> None:
    result = await run_toy(tmp_path, images, output, code)
    assert (result.tools_run, [tool.tool for tool in result.failed_tools]) == ([], ["toy"])


async def test_odd_values_in_a_report_become_plain_ones(tmp_path: Path, images: Path) -> None:
    odd = [
        {"f": "/workspace/a.py", "l": "7", "m": "x\n\ty" + "z" * 9_000, "r": None},
        {"f": ["\ud800"], "l": {}, "m": 1},
    ]
    result = await run_toy(tmp_path, images, json.dumps(odd), 1)
    by_file = {item.file: item for item in result.items}
    assert (by_file["a.py"].line, by_file["a.py"].message[:4], len(by_file["a.py"].message)) == (7, "x yz", 1_000)
    assert all(item.model_dump_json() for item in result.items)


async def test_without_an_engine_the_call_fails_at_once(tmp_path: Path) -> None:
    write(tmp_path / "project", {"a.py": UNUSED})
    roots = (tmp_path / "project",)
    async with bench(tmp_path / "data", roots, tmp_path / "images", engine=f"unix://{tmp_path}/none.sock") as house:
        with anyio.fail_after(10):
            result = await house.call("lint_check")
    assert isinstance(result.error, SandboxUnavailable)


async def test_without_a_root_there_is_nothing_to_check(tmp_path: Path, images: Path) -> None:
    async with bench(tmp_path / "data", (), images) as house:
        assert isinstance((await house.call("lint_check")).error, NoRoot)


async def test_files_of_a_second_root_are_named_so_that_they_can_be_passed_back(tmp_path: Path, images: Path) -> None:
    roots = (tmp_path / "one", tmp_path / "two")
    write(roots[0], {"a.py": ""})
    write(roots[1], {"b.py": UNUSED})
    async with bench(tmp_path / "data", roots, images) as house:
        [item] = (await house.check(paths=[str(roots[1])])).items
        assert item.file == str(roots[1].resolve() / "b.py")
        assert [again.rule for again in (await house.check(paths=[item.file])).items] == [item.rule]


async def test_the_declaration_says_what_the_call_does(house: Bench) -> None:
    tool = house.dispatcher.registry.tool("lint_check")
    assert tool.declaration.effects == {Effect.READ, Effect.EXECUTE, Effect.NETWORK}
    assert tool.declaration.labels == {Label.PRIVATE, Label.UNTRUSTED}
    assert tool.repeatable


@pytest.mark.full
async def test_settings_of_mypy_that_fit_no_file_of_the_call_are_no_failure(house: Bench, project: Path) -> None:
    settings = "[mypy]\nwarn_unused_configs = true\nstrict = true\n[mypy-tests.*]\ndisallow_untyped_defs = false\n"
    write(project, {"setup.cfg": settings, "a.py": "def f() -> int:\n    return ''\n", "b.py": "x = 1\n"})
    found = await house.check(tools=["mypy"], paths=["a.py"])
    assert (found.failed_tools, [item.rule for item in found.items]) == ([], ["return-value"])
    none = await house.check(tools=["mypy"], paths=["b.py"])
    assert (none.failed_tools, none.items, none.tools_run) == ([], [], ["mypy"])


NAMES = {
    "pyproject.toml": '[tool.ruff.lint]\nselect = ["I", "INP"]\n',
    "pkg/__init__.py": "",
    "pkg/a.py": "X = 1\n",
    "tests/__init__.py": "",
    "tests/test_a.py": "import requests\n\nfrom pkg.a import X\n\nprint(requests, X)\n",
}


async def test_of_some_paths_is_found_what_is_found_of_all(house: Bench, project: Path) -> None:
    write(project, NAMES)
    for path in ("tests/test_a.py", "pkg/a.py"):
        result = await house.check(paths=[path], tools=["ruff"])
        assert (result.items, result.tools_run, result.left_out) == ([], ["ruff"], [])
    assert (await house.fix(paths=["tests"])).files == []
    (project / "tests/__init__.py").unlink()
    assert [item.rule for item in (await house.check(paths=["tests/test_a.py"])).items] == ["INP001"]
