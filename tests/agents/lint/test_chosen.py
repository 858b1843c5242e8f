"""Which linters run unasked: where their files are, and those with opinions where the project wants them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.quickest import computed

from astro_mcp.agents.lint.sources import Sources, settings_above
from astro_mcp.packs import Linter, Pack
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.workspace.place import Place

LINTERS = {linter.name: linter for linter in Pack.find().manifests("linter")}


def sources(files: dict[str, str], *places: str) -> Sources:
    shared = frozenset(name for linter in LINTERS.values() for name in (*linter.sections, *linter.scopes))
    copies = tuple(SandboxFile(path, text.encode()) for path, text in files.items())
    return Sources(tuple(Place(Path("/w"), place) for place in places or ("",)), copies, (), shared)


def chosen(files: dict[str, str], *places: str) -> set[str]:
    return {linter.name for linter in sources(files, *places).fitting(list(LINTERS.values()))}


@pytest.mark.parametrize(
    ("path", "linter"),
    [
        ("a.py", "ruff"),
        ("bin/x.sh", "shellcheck"),
        ("deep/Dockerfile", "hadolint"),
        ("web.Dockerfile", "hadolint"),
        (".github/workflows/ci.yml", "zizmor"),
        ("sub/action.yml", "zizmor"),
    ],
)
def test_where_there_are_files_of_its_kind_a_linter_without_opinions_runs(path: str, linter: str) -> None:
    assert chosen({path: ""}) == {linter}


def test_a_path_with_a_slash_is_one_from_the_root() -> None:
    assert chosen({"docs/.github/workflows/ci.yml": "", "Dockerfiles/notes.txt": ""}) == set()


@pytest.mark.parametrize(
    ("settings", "text", "source", "linter"),
    [
        ("mypy.ini", "", "a.py", "mypy"),
        ("pyproject.toml", "[tool.mypy]\n", "a.py", "mypy"),
        ("pyproject.toml", "[tool.pyright]\n", "a.py", "basedpyright"),
        ("pyproject.toml", "[tool.bandit]\nskips = []\n", "a.py", "bandit"),
        ("pyproject.toml", "[tool.vulture]\n", "a.py", "vulture"),
        ("setup.cfg", "[metadata]\n[mypy]\n", "a.py", "mypy"),
        (".bandit", "[bandit]\n", "a.py", "bandit"),
        ("pyproject.toml", '[dependency-groups]\ndev = ["lizard>=1.17", {include-group = "x"}]\n', "a.py", "lizard"),
        (
            "pyproject.toml",
            '[project.optional-dependencies]\ndev = ["Detect_Secrets[x]==1.5"]\n',
            "a",
            "detect-secrets",
        ),
        ("pyproject.toml", '[tool.poetry.group.dev.dependencies]\nmypy = "^1"\n', "a.py", "mypy"),
        ("requirements-dev.txt", "vulture ~= 2.0  # dead code\n", "a.py", "vulture"),
        (".pre-commit-config.yaml", "repos:\n- repo: x\n  hooks:\n  - id: bandit\n", "a.py", "bandit"),
        (".pre-commit-config.yaml", "repos:\n- hooks:\n    - name: x\n      id: 'biome-check'\n", "a.js", "biome"),
        ("package.json", '{"devDependencies": {"eslint": "^9"}}', "a.js", "eslint"),
        ("package.json", '{"devDependencies": {"@biomejs/biome": "2.0.0"}}', "a.js", "biome"),
        ("eslint.config.mjs", "", "a.ts", "eslint"),
        ("biome.json", "{}", "a.ts", "biome"),
        (".semgrep/python/rules.yml", "", "a.py", "semgrep"),
        (".secrets.baseline", "{}", "a", "detect-secrets"),
        (".yamllint", "", "a.yaml", "yamllint"),
        (".pre-commit-config.yaml", "repos:\n- hooks:\n  - id: pip-audit\n", "requirements.txt", "pip-audit"),
        ("requirements-dev.txt", "pip_audit==2.10.1\n", "deep/requirements/base.txt", "pip-audit"),
        ("pyproject.toml", '[dependency-groups]\ndev = ["pip-audit"]\n', "pylock.toml", "pip-audit"),
    ],
)
def test_one_with_opinions_runs_where_the_project_configures_it(
    settings: str, text: str, source: str, linter: str
) -> None:
    plain = chosen({source: ""})
    assert linter not in plain
    assert linter in chosen({source: "", settings: text})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("pyproject.toml", "[tool.mypy-extras]\n"),
        ("pyproject.toml", "[tool.mypy\n"),
        ("pyproject.toml", '[project]\ndescription = "mypy, bandit and vulture"\ndependencies = ["mypy-extensions"]\n'),
        ("pyproject.toml", "a = " + "[" * 3_000 + "]" * 3_000),
        ("pyproject.toml", "[tool.mypy]\na" + ".a" * 5_000 + " = 1\n"),
        ("package.json", '{"scripts": {"lint": "mypy"}}'),
        ("package.json", "[" * 100_000),
        (".pre-commit-config.yaml", "repos:\n# - id: mypy\n- rev: mypy\n"),
        ("setup.cfg", "# [mypy]\n"),
    ],
)
def test_what_only_looks_like_a_setting_is_none(settings: str, text: str) -> None:
    assert chosen({"a.py": "", settings: text}) == {"ruff"}


def test_10000_blank_lines_after_a_hook_take_no_time() -> None:
    files = {"a.py": "", ".pre-commit-config.yaml": "- id: mypy\n" + "\n" * 10_000 + "x"}
    assert "mypy" in computed(1, lambda: chosen(files))


def test_files_that_are_not_asked_for_choose_no_linter() -> None:
    files = {"a.py": "", "sub/x.sh": "", "pyproject.toml": "[tool.mypy]\n"}
    assert chosen(files, "sub") == {"shellcheck"}


def arguments(linter: Linter, files: dict[str, str], *places: str) -> list[str]:
    return sources(files, *places).arguments(linter)


def test_a_tool_that_takes_no_folders_gets_the_files_of_its_kind_and_another_gets_what_was_asked_for() -> None:
    files = {"a/x.sh": "", "a/y.py": "", "b/z.sh": "", "-o.sh": ""}
    assert arguments(LINTERS["shellcheck"], files) == ["./a/x.sh", "./b/z.sh", "./-o.sh"]
    assert arguments(LINTERS["shellcheck"], files, "a") == ["./a/x.sh"]
    assert arguments(LINTERS["ruff"], files, "a") == ["./a"]
    assert arguments(LINTERS["ruff"], files, "a/x.sh") == []


def test_a_path_that_lies_in_another_is_not_named_beside_it() -> None:
    files = {"a/y.py": "", "ab.py": "", "b/z.py": ""}
    assert arguments(LINTERS["mypy"], files, "a/y.py", "a", "b/z.py", "ab.py", "a") == ["./a", "./b/z.py", "./ab.py"]
    assert arguments(LINTERS["mypy"], files, "a", "", "ab.py") == ["."]


def test_settings_at_the_top_are_given_to_a_tool_that_does_not_look_for_them() -> None:
    files = {".semgrep/a.yml": "", ".semgrep.yml": "", "sub/.semgrep.yml": "", "pyproject.toml": "[tool.bandit]\n"}
    assert sources(files).settings(LINTERS["semgrep"]) == [".semgrep/a.yml", ".semgrep.yml"]
    assert sources(files).settings(LINTERS["bandit"]) == ["pyproject.toml"]
    assert sources({"pyproject.toml": "", "a.py": ""}).settings(LINTERS["bandit"]) == []


def test_settings_above_a_place_are_found_and_folders_of_them_at_the_root(tmp_path: Path) -> None:
    for path in ("a/b/c.py", "a/ruff.toml", "ruff.toml", "a/b/ruff.toml", ".semgrep/x.yml", "other/ruff.toml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    found = settings_above([Place(tmp_path, "a/b/c.py")], ["ruff.toml", ".semgrep/*.yml"])
    assert {place.relative for place in found} == {"ruff.toml", "a/ruff.toml", "a/b/ruff.toml", ".semgrep"}


@pytest.mark.parametrize(
    ("path", "text", "linter"),
    [
        ("pyproject.toml", "[tool.pyright]\ninclude = ['a']\n", "basedpyright"),
        ("pyrightconfig.json", '{"include": ["a"]}', "basedpyright"),
        ("pyrightconfig.json", '{ // "a", all\n "x": "//", /* one */ "include": ["a",],\n /**/ }', "basedpyright"),
        ("pyproject.toml", "[tool.mypy]\npackages = ['a']\n", "mypy"),
    ],
)
def test_what_a_project_says_that_a_linter_looks_at_counts_where_the_whole_root_is_asked_for(
    path: str, text: str, linter: str
) -> None:
    files = {"a/x.py": "", path: text}
    assert sources(files).scoped(LINTERS[linter])
    assert not sources(files, "a").scoped(LINTERS[linter])
    assert not sources({"a/x.py": "", f"a/{path}": text}).scoped(LINTERS[linter])
    assert not sources({"a/x.py": "", path: ""}).scoped(LINTERS[linter])
