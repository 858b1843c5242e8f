"""Globs as a model writes them: with braces, from the start, or where nothing fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.files.house import House, session_of

PATHS = ("a.ts", "b.tsx", "c.js", "src/d.ts", "src/deep/e.tsx", "src/{x,y}.md", "x.md")


@pytest.fixture
def sources(root: Path) -> Path:
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("needle\n")
    return root


@pytest.mark.parametrize(
    ("glob", "fitting"),
    [
        ("*.{ts,tsx}", ["a.ts", "b.tsx", "src/d.ts", "src/deep/e.tsx"]),
        ("{src/**/*.ts{,x},c.js}", ["c.js", "src/d.ts", "src/deep/e.tsx"]),
        ("./*.ts", ["a.ts"]),
        ("src/{x,y}.md", ["src/{x,y}.md"]),
        (r"\{x,y}.md", ["src/{x,y}.md"]),
    ],
)
async def test_braces_of_a_glob_are_choices_and_a_dot_is_the_start(
    house: House, sources: Path, glob: str, fitting: list[str]
) -> None:
    assert sorted(item.path for item in (await house.ok("fs_list", path=".", glob=glob)).items) == fitting
    found = await house.ok("fs_search", pattern="needle", glob=glob)
    assert sorted(item.path for item in found.items) == fitting


async def test_braces_that_leave_too_many_choices_are_refused(house: House, sources: Path) -> None:
    for glob in ("{a,b}" * 60, "{" + "a," * 300 + "b}", "{,}", "{!a,b}"):
        assert (await house.refused("fs_list", path=".", glob=glob)).code == "invalid_input", glob


async def test_that_no_file_fits_a_glob_is_told(house: House, sources: Path) -> None:
    listed = await house.ok("fs_list", path="src", glob="src/*.ts")
    assert "no file fits the glob, which starts at path" in listed.text()
    found = await house.ok("fs_search", pattern="needle", path="src", glob="src/*.ts")
    assert "no file fits the glob, which starts at path" in found.text()
    assert "glob" not in (await house.ok("fs_search", pattern="nothing", glob="*.ts")).text()


async def test_a_glob_or_a_depth_without_a_path_lists_every_root(house: House, sources: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "deep").mkdir(parents=True)
    (other / "deep/f.ts").touch()
    session = session_of(sources, other)
    listed = await house.ok("fs_list", session=session, glob="*.ts")
    assert [item.path for item in listed.items] == ["a.ts", "src/d.ts", str(other / "deep/f.ts")]
    assert listed.total == 3
    top = await house.ok("fs_list", session=session, depth=1)
    assert {"src", "a.ts", str(other / "deep")} <= {item.path for item in top.items}
    assert [item.path for item in (await house.ok("fs_list", session=session)).items] == [str(sources), str(other)]
