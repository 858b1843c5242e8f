"""A linter that looks at every file alone is asked about those that changed, and about no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.lint.test_standing import fresh
from tests.agents.tests.bench import Bench, bench, write

from astro_mcp.agents.lint.by_file import CHANGED, ByFile
from astro_mcp.agents.lint.models import Finding
from astro_mcp.agents.lint.report import Report
from astro_mcp.agents.lint.sources import Sources
from astro_mcp.core.authority import Scope
from astro_mcp.errors import InvalidInput
from astro_mcp.packs import Linter, Pack, read_manifest
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.standing import Key
from astro_mcp.workspace.place import Place

RUFF = next(linter for linter in Pack.find().manifests("linter") if linter.name == "ruff")
ALL = ["."]


@pytest.fixture
async def house(tmp_path: Path, images: Path) -> AsyncIterator[Bench]:
    (tmp_path / "project").mkdir()
    async with bench(tmp_path / "data", (tmp_path / "project",), images) as made, made.sandbox.warm():
        yield made


@pytest.fixture
def asked(house: Bench, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the linter was asked about, call by call."""
    calls: list[list[str]] = []
    again = house.sandbox.again

    async def told(key: Key, job: Job) -> Outcome:
        calls.append([word for word in job.argv if word == "." or word.startswith("./")])
        return await again(key, job)

    monkeypatch.setattr(house.sandbox, "again", told)
    return calls


async def found(house: Bench) -> list[tuple[str, str]]:
    """Files and rules that ruff found."""
    told = await house.check(tools=["ruff"])
    assert (told.tools_run, told.failed_tools) == (["ruff"], [])
    return sorted((item.file, item.rule) for item in told.items)


async def test_only_what_changed_is_asked_about_and_the_rest_is_known(
    house: Bench, tmp_path: Path, asked: list[list[str]]
) -> None:
    project = tmp_path / "project"
    write(project, {"a.py": "import os\n", "b.py": "import re\n", "c.py": "x = 1\n"})
    assert await found(house) == [("a.py", "F401"), ("b.py", "F401")]
    write(project, {"b.py": "x = 1\n", "c.py": "import os\nimport re\n"})
    assert await found(house) == [("a.py", "F401"), ("c.py", "F401"), ("c.py", "F401")]
    assert await found(house) == [("a.py", "F401"), ("c.py", "F401"), ("c.py", "F401")]
    assert asked == [ALL, ["./b.py", "./c.py"]]
    assert await house.check(tools=["ruff"]) == await fresh(house, tools=["ruff"])


async def test_a_file_with_an_odd_name_is_asked_about_when_it_changed(house: Bench, tmp_path: Path) -> None:
    odd = "b\u2028c.py"
    write(tmp_path / "project", {"a.py": "import os\n", odd: "x = 1\n"})
    assert await found(house) == [("a.py", "F401")]
    write(tmp_path / "project", {odd: "import os\n"})
    assert await found(house) == [("a.py", "F401"), (odd, "F401")]


@pytest.mark.full
@pytest.mark.parametrize(
    ("settings", "hidden"),
    [({"pyproject.toml": '[tool.ruff]\ninclude = ["a.py"]\n'}, "b.py"), ({".ignore": "b.py\n"}, "b.py")],
)
async def test_a_file_that_the_linter_does_not_look_at_is_not_asked_about_when_it_changes(
    house: Bench, tmp_path: Path, asked: list[list[str]], settings: dict[str, str], hidden: str
) -> None:
    project = tmp_path / "project"
    write(project, {"a.py": "import os\n", hidden: "x = 1\n", **settings})
    assert await found(house) == [("a.py", "F401")]
    write(project, {hidden: "import os\n"})
    assert await found(house) == [("a.py", "F401")]
    assert asked == [ALL]


@pytest.mark.full
async def test_where_names_settings_or_anything_else_changed_all_is_asked_about(
    house: Bench, tmp_path: Path, asked: list[list[str]]
) -> None:
    project = tmp_path / "project"
    write(project, {"ruff.toml": 'lint.select = ["INP"]\n', "pkg/__init__.py": "", "pkg/a.py": "", "notes.txt": ""})
    assert await found(house) == []
    (project / "pkg/__init__.py").unlink()
    assert await found(house) == [("pkg/a.py", "INP001")]
    write(project, {"ruff.toml": 'lint.select = ["W"]\n'})
    assert await found(house) == []
    write(project, {"notes.txt": "it may be somebody's settings"})
    await found(house)
    write(project, {"pkg/b.py": ""})
    await found(house)
    assert asked == [ALL] * 5
    (project / "pkg/b.py").chmod(0o755)
    await found(house)
    assert asked[5:] == [["./pkg/b.py"]]


@pytest.mark.full
async def test_settings_that_break_and_mend_are_told_each_time(house: Bench, tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, {"a.py": "import os\n"})
    assert await found(house) == [("a.py", "F401")]
    write(project, {"ruff.toml": "no-such-key = 1\n"})
    for _ in range(2):
        assert [failed.exit_code for failed in (await house.check(tools=["ruff"])).failed_tools] == [2]
    (project / "ruff.toml").unlink()
    assert await found(house) == [("a.py", "F401")]


def sources(root: Path, **texts: str) -> Sources:
    files = tuple(SandboxFile(f"{name}.py", text.encode()) for name, text in sorted(texts.items()))
    return Sources((Place(root, ""),), files, ())


def finding(file: str) -> Finding:
    fields = {"tool": "ruff", "rule": "F401", "line": 1, "column": 1, "severity": "error", "message": ""}
    return Finding(file=file, fixable=False, **fields)


def test_an_answer_about_other_files_or_none_is_not_taken_for_one(tmp_path: Path) -> None:
    key, known = Key(Scope("local", "a"), tmp_path, "ruff"), ByFile()
    known.keep(key, "i", sources(tmp_path, a="1", b="2"), b"a.py\nb.py\n", Report("ruff", True, [finding("a.py")]))
    ask = known.ask(key, RUFF, "i", sources(tmp_path, a="1", b="3"))
    assert ask is not None
    assert ask.paths == ("b.py",)
    assert known.merged(key, ask, Report("ruff", True, [finding("a.py")])) is None
    assert known.merged(key, ask, Report("ruff", False)) is None
    assert known.merged(key, ask, Report("ruff", True, beyond=1)) is None
    told = known.merged(key, ask, Report("ruff", True, [finding("b.py")]))
    assert told is not None
    assert [item.file for item in told.findings] == ["a.py", "b.py"]


@pytest.mark.parametrize("image", ["i", "other"])
def test_nothing_is_known_for_another_image_other_paths_too_many_files_or_without_a_list(
    tmp_path: Path, image: str
) -> None:
    key, known = Key(Scope("local", "a"), tmp_path, "ruff"), ByFile()
    whole = sources(tmp_path, a="1", b="2")
    known.keep(key, "i", whole, b"a.py\n", Report("ruff", True))
    assert (known.ask(key, RUFF, image, whole) is not None) == (image == "i")
    below = Sources((Place(tmp_path, "a.py"),), whole.files, ())
    assert known.ask(key, RUFF, "i", below) is None
    assert known.ask(key, RUFF, "i", sources(tmp_path, a="1")) is None
    known.keep(key, "i", whole, None, Report("ruff", True))
    assert known.ask(key, RUFF, "i", whole) is None
    known.keep(key, "i", whole, b"a.py\n", Report("ruff", True, [finding("b.py")]))
    assert known.ask(key, RUFF, "i", whole) is None
    many = {f"f{number}": "1" for number in range(CHANGED + 1)}
    known.keep(key, "i", sources(tmp_path, **many), "".join(f"{n}.py\n" for n in many).encode(), Report("ruff", True))
    assert known.ask(key, RUFF, "i", sources(tmp_path, **dict.fromkeys(many, "2"))) is None


def test_what_was_found_is_believed_for_half_an_hour(tmp_path: Path) -> None:
    now = 0.0
    key, known, whole = Key(Scope("local", "a"), tmp_path, "ruff"), ByFile(lambda: now), sources(tmp_path, a="1")
    known.keep(key, "i", whole, b"a.py\n", Report("ruff", True))
    now = 1_700.0
    ask = known.ask(key, RUFF, "i", sources(tmp_path, a="2"))
    assert ask is not None
    assert known.merged(key, ask, Report("ruff", True)) is not None
    now = 1_801.0
    assert known.ask(key, RUFF, "i", whole) is None


def test_by_file_belongs_to_a_linter_that_only_reads(tmp_path: Path) -> None:
    text = (Pack.find().tools / "linters/ruff.tool.toml").read_text()
    (tmp_path / "ruff.tool.toml").write_text(text.replace("reads_only = true\n", ""))
    with pytest.raises(InvalidInput, match="by_file belongs"):
        read_manifest(tmp_path / "ruff.tool.toml", Linter)
