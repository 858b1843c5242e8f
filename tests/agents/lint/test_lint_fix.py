"""`lint_fix` through the whole call path: diffs, changes and undo on real trees, and fixers that are hostile."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.agents.tests.bench import Bench, bench, write

import packaging
from astro_mcp.agents.lint.fix_models import FixOutput
from astro_mcp.agents.lint.fixing import Fixed, fixed, unlike
from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Call
from astro_mcp.packs import Pack
from astro_mcp.sandbox.job import Outcome, SandboxFile

UNUSED = "import os\n\n\nx = 1\n"
SETTINGS = '[project]\nname = "p"\n[tool.ruff.lint]\nselect = ["F", "W", "I", "E7", "UP"]\n'
Tree = dict[str, tuple[bytes, int]]


def tree(folder: Path) -> Tree:
    """Every file's bytes and mode; a link's target in place of its bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b"/"
        found[str(path.relative_to(folder))] = data, path.lstat().st_mode
    return found


def odd_files(project: Path) -> None:
    """The same findings in every kind of text, and files that no fixer may touch."""
    text = "import sys\nimport os\n\n\ndef f(x):  \n    return x == None, os, 'é'\n"
    (project / "lf.py").write_text(text)
    (project / "crlf.py").write_bytes(text.replace("\n", "\r\n").encode())
    (project / "mark.py").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (project / "mixed.py").write_bytes(b"import re\r\nimport os\n\n\nx = os\r\n")
    (project / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nimport os\nx = '\xe9'\n")
    (project / "no-end.py").write_bytes(b"import os")
    (project / "run.py").write_text("#!/usr/bin/env python3\n" + text)
    (project / "run.py").chmod(0o755)
    (project / "conftest.py").write_text(text)
    (project / "link.py").symlink_to("linked.txt")
    write(project, {"pyproject.toml": SETTINGS, "linked.txt": text, "tests/conftest.py": text})


async def test_a_fix_applied_and_undone_leaves_the_tree_byte_identical(house: Bench, project: Path) -> None:
    odd_files(project)
    before = tree(project)
    done = await house.fix(apply=True)
    after = tree(project)
    touched = {path for path in before if after[path] != before[path]}
    assert touched == {file.path for file in done.files}
    assert touched == {"lf.py", "crlf.py", "mark.py", "mixed.py", "no-end.py", "run.py", "tests/conftest.py"}
    assert {path: mode for path, (_, mode) in after.items()} == {path: mode for path, (_, mode) in before.items()}
    assert after["crlf.py"][0].count(b"\r\n") == after["crlf.py"][0].count(b"\n") > 0
    assert after["mark.py"][0].startswith(b"\xef\xbb\xbfimport os\n")
    assert [entry for entry in done.left_out if entry.startswith("conftest.py (")]
    assert [entry for entry in done.left_out if entry.startswith("link.py (")]
    assert done.fixed > done.remaining > 0
    assert (await house.call("fs_undo", undo_id=done.undo_id)).error is None
    assert tree(project) == before


async def test_a_fix_that_is_asked_for_again_with_its_key_is_told_again_and_written_once(
    house: Bench, project: Path
) -> None:
    odd_files(project)
    call = partial(Call, house.session, "lint_fix", {"apply": True}, idempotency_key="run_1/fix/1")
    first = (await house.dispatcher.call(call())).unwrap()
    assert isinstance(first, FixOutput)
    assert first.left_out, "what a guard keeps from being written is told"
    after = tree(project)
    assert (await house.dispatcher.call(call())).unwrap() == first
    assert tree(project) == after
    (project / "lf.py").write_text("somebody's\n")
    again = (await house.dispatcher.call(call())).unwrap()
    assert isinstance(again, FixOutput)
    assert (again.undo_id, again.diff) == (first.undo_id, first.diff)
    assert (project / "lf.py").read_text() == "somebody's\n"


async def test_a_file_that_changed_after_the_diff_is_a_conflict_and_nothing_is_written(
    house: Bench, project: Path
) -> None:
    write(project, {"a.py": UNUSED, "b.py": UNUSED})
    untouched = tree(project)
    dry = await house.fix()
    assert "-import os" in dry.diff
    assert "+++ b/b.py" in dry.diff
    assert dry.undo_id is None
    assert tree(project) == untouched
    write(project, {"b.py": UNUSED + "y = 2\n"})
    before = tree(project)
    result = await house.call("lint_fix", apply=True, if_match=dry.if_match)
    assert result.error is not None
    assert result.error.code == "conflict"
    assert tree(project) == before


@pytest.mark.full
async def test_what_the_diff_does_not_touch_may_change_and_the_diff_that_was_seen_is_the_one_that_is_written(
    house: Bench, project: Path
) -> None:
    write(project, {"a.py": UNUSED})
    dry = await house.fix()
    write(project, {"other.py": "z = 3\n"})
    done = await house.fix(apply=True, if_match=dry.if_match)
    assert done.undo_id
    assert (done.diff, done.files, done.if_match) == (dry.diff, dry.files, dry.if_match)


@pytest.mark.full
async def test_where_nothing_is_to_be_fixed_nothing_is_written(house: Bench, project: Path) -> None:
    write(project, {"ruff.toml": 'lint.select = ["E711"]\n', "a.py": "def f(x):\n    return x == None\n"})
    done = await house.fix(apply=True)
    assert (done.diff, done.files, done.undo_id, done.fixed, done.remaining) == ("", [], None, 0, 1)


@pytest.mark.full
async def test_a_linter_that_fixes_nothing_is_refused(house: Bench, project: Path) -> None:
    write(project, {"a.yaml": "a: 1\n"})
    error = (await house.call("lint_fix", tools=["yamllint"])).error
    assert error is not None
    assert error.code == "invalid_input"


@pytest.mark.full
async def test_unsafe_fixes_that_a_project_asks_for_are_not_made(house: Bench, project: Path) -> None:
    write(project, {"ruff.toml": 'unsafe-fixes = true\nlint.select = ["E711"]\n', "a.py": "x = 1\ny = x == None\n"})
    assert (await house.fix()).diff == ""


@pytest.mark.full
async def test_what_is_written_is_what_ruff_itself_writes_on_a_real_package(house: Bench, project: Path) -> None:
    source = Path(packaging.__file__).parent
    for folder in (project, project.parent / "own"):
        shutil.copytree(source, folder / "packaging", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "ruff.toml").write_text('target-version = "py311"\nlint.select = ["ALL"]\n')
    before = tree(project)
    done = await house.fix(apply=True)
    command = [sys.executable, "-m", "ruff", "check", "--fix-only", "--no-unsafe-fixes", "--no-cache", "-q", "."]
    subprocess.run(command, cwd=project.parent / "own", check=True)
    assert {path: data for path, (data, _) in tree(project).items()} == {
        path: data for path, (data, _) in tree(project.parent / "own").items()
    }
    assert len(done.files) > 5
    assert done.remaining == (await house.check()).total
    await house.call("fs_undo", undo_id=done.undo_id)
    assert tree(project) == before


JSON_OF_THE_PROJECT = """
import sys
sys.path.remove(sys.path[0])
del sys.modules["json"]
import json
open("a.py", "a").write("evil = 1\\n")
"""


async def test_no_module_of_the_project_stands_in_for_one_that_our_script_imports(house: Bench, project: Path) -> None:
    write(project, {"a.py": "x = 1\n", ".astro/json.py": JSON_OF_THE_PROJECT})
    assert "a.py" not in [file.path for file in (await house.fix(tools=["ruff"])).files]


HOSTILE = r"""
import json, os
open("a.py", "w").write("# mine\n")
open("fresh.py", "w").write("# a new file\n")
open("settings.cfg", "w").write("evil = 1\n")
os.remove("b.py")
os.symlink("/etc/passwd", "b.py")
os.chmod("c.py", 0o777)
open("d.py", "wb").write(b"\0binary")
open("e.py", "wb").write(b"x = 1\r\n")
open("f.py", "wb").write("\ufeffx = 1\n".encode())
"""
TOY = """
schema = 1
kind = "linter"
name = "toy"
install_hint = "write toy yourself"
detect = ["*.py"]
config = ["settings.cfg"]
argv = ["python3", "-c", "print('[]')", "{paths}"]
[fix]
argv = ["python3", "-c", "exec(open('fixer.txt').read())", "{paths}"]
exit_codes = [0]
[image]
pip = ["ruff==0.17.6"]
[report]
format = "json"
[report.fields]
file = "f"
line = "l"
message = "m"
"""


async def toy(tmp_path: Path, images: Path, fixer: str, **arguments: Any) -> tuple[Any, Tree, Tree]:
    """A fixer of ours: its result, and the tree before and after it was applied."""
    names = ("a.py", "b.py", "c.py", "d.py", "e.py", "f.py")
    project = tmp_path / "project"
    write(project, {"fixer.txt": fixer, "settings.cfg": "", "sub/x.py": "x = 1\n", **dict.fromkeys(names, "x = 1\n")})
    folder = tmp_path / "pack"
    write(folder, {"tools/linters/toy.tool.toml": TOY, "resources/none": ""})
    before = tree(project)
    async with bench(tmp_path / "data", (project,), images, Pack.first([folder])) as house:
        result = await house.fix(apply=True, **arguments)
    return result, before, tree(project)


async def test_only_other_bytes_of_files_that_were_named_come_out_of_the_container(
    tmp_path: Path, images: Path
) -> None:
    result, before, after = await toy(tmp_path, images, HOSTILE)
    assert {path for path in after if after.get(path) != before.get(path)} == {"a.py"}
    assert before.keys() == after.keys()
    assert (after["a.py"][0], after["a.py"][1]) == (b"# mine\n", before["a.py"][1])
    assert sorted(entry.partition(" ")[0] for entry in result.left_out) == ["d.py", "e.py", "f.py"]


def read(text: str) -> Fixed:
    """What is made of `text`, handed back for two files of three."""
    linter = next(linter for linter in Pack.find().manifests("linter") if linter.name == "ruff")
    assert linter.fix is not None
    outcome = Outcome(0, b"", b"", (SandboxFile("changed", text.encode()),), (), 0, 0)
    return fixed(linter, linter.fix, outcome, {"a.py": b"x = 1\n", "b.py": b"y = 1\n"})


def test_a_forged_report_names_no_file_but_those_that_were_given() -> None:
    data = base64.b64encode(b"z = 1\n").decode()
    names = ["a.py", "../x.py", "/etc/x.py", ".git/config", "fresh.py", "settings.cfg", "./b.py", "b.py/", "B.py", ""]
    assert read(json.dumps(dict.fromkeys(names, data))).files == {"a.py": b"z = 1\n"}


@pytest.mark.parametrize("text", ["not json", "[]", '{"a.py": 1}', '{"a.py": "*"}', "[" * 9_000, "1" * 9_000])
def test_a_report_that_is_none_is_a_failure(text: str) -> None:
    made = read(text)
    assert made.files == {}
    assert made.failed is not None


@pytest.mark.full
async def test_a_fixer_that_fails_is_told_and_changes_nothing(tmp_path: Path, images: Path) -> None:
    result, before, after = await toy(tmp_path, images, HOSTILE + "\nraise SystemExit('out of order')")
    assert before == after
    assert [(failed.tool, failed.message) for failed in result.failed_tools] == [("toy", "out of order")]


@pytest.mark.parametrize(
    ("before", "after", "fine"),
    [
        (b"a\n", b"b\n", True),
        (b"a", b"a\r\n", True),
        (b"\xe9 = 1\n", b"e = 1\n", True),
        (b"e = 1\n", b"\xe9 = 1\n", False),
        (b"\xef\xbb\xbfa\n", b"a\n", False),
        (b"a\n", b"\xef\xbb\xbfa\n", False),
        (b"a\r\nb\r\n", b"a\nb\r\n", False),
        (b"a\r\nb\n", b"a\nb\n", False),
        (b"a\r\nb\n", b"b\r\nc\n", True),
        ("a\n".encode("utf-16"), b"a\n", False),
        (b"a\n", b"\0\n", False),
    ],
)
def test_a_fix_keeps_encoding_mark_and_line_ends(before: bytes, after: bytes, fine: bool) -> None:
    assert (unlike(before, after) == "") == fine


async def test_a_dry_call_says_that_it_writes_nothing(house: Bench) -> None:
    tool = house.dispatcher.registry.tool("lint_fix")
    effects = [tool.effects(tool.parse({"apply": apply})) for apply in (False, True)]
    assert effects == [{Effect.READ, Effect.EXECUTE, Effect.NETWORK}, frozenset(Effect)]


@pytest.mark.full
@pytest.mark.timeout(400)
async def test_fixers_of_other_languages_run_one_after_the_other_each_on_what_the_one_before_left(
    house: Bench, project: Path
) -> None:
    """Biome makes the `let` a `const`, ESLint takes the cast away; the settings of both are the project's."""
    settings = 'export default [{rules: {"no-extra-boolean-cast": "error", "no-debugger": "error"}}];\n'
    rules = {"recommended": False, "style": {"useConst": "error"}}
    text = "let name = 'x';\r\nif (!!name) {\r\n\tdebugger;\r\n}\r\n"
    write(project, {"eslint.config.mjs": settings, "biome.json": json.dumps({"linter": {"rules": rules}})})
    (project / "a.js").write_bytes(text.encode())
    before = tree(project)
    done = await house.fix(apply=True)
    assert (done.missing_tools, done.failed_tools) == ([], [])
    assert done.tools_run == ["biome", "eslint"]
    fixed = text.replace("let", "const").replace("!!", "")
    assert (project / "a.js").read_bytes() == fixed.encode()
    left = await house.check()
    assert (done.fixed, done.remaining) == (2, left.total)
    assert "no-debugger" in {item.rule for item in left.items}
    await house.call("fs_undo", undo_id=done.undo_id)
    assert tree(project) == before


@pytest.mark.full
@pytest.mark.timeout(400)
async def test_settings_that_run_code_change_no_file_but_those_that_were_asked_for(house: Bench, project: Path) -> None:
    evil = """import fs from 'node:fs';
for (const path of ['a.js', 'b.js', 'eslint.config.mjs', 'setup.cfg', 'fresh.js']) fs.writeFileSync(path, 'evil;\\n');
export default [{rules: {}}];
"""
    write(project, {"eslint.config.mjs": evil, "a.js": "let a;\n", "b.js": "let b;\n", "setup.cfg": "[x]\n"})
    before = tree(project)
    done = await house.fix(apply=True, paths=["a.js"], tools=["eslint"])
    after = tree(project)
    assert {path for path in after if after[path] != before.get(path)} == {"a.js"}
    assert "+evil;" in done.diff
