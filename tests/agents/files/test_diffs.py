"""The diff of a change: short where little changed, true where much did, and soon there whatever the lines are."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest
from tests.agents.files.house import House
from tests.quickest import within

LINES: Final = 5000
AGAIN: Final = [f"{number % 101}\n" for number in range(LINES)]
HARD: Final = {
    "another order": (AGAIN, [f"{number * 7 % 101}\n" for number in range(LINES)]),
    "every other line": (AGAIN, [line if number % 2 else f"new {number}\n" for number, line in enumerate(AGAIN)]),
    "a line between any two": (
        [f"line {number}\n" for number in range(2 * LINES)],
        [line for number in range(2 * LINES) for line in (f"line {number}\n", f"new {number}\n")],
    ),
}
"""Lines before and after of which a diff that is the shortest takes many seconds."""


@pytest.mark.alone
@pytest.mark.parametrize("case", HARD)
async def test_the_diff_of_lines_that_are_hard_to_compare_is_soon_there_and_true(
    house: House, root: Path, case: str
) -> None:
    before, after = map("".join, HARD[case])
    (root / "f.txt").write_text(before)
    await house.ok("fs_write", path="f.txt", content=after)
    undone = await within(4, lambda: house.ok("fs_undo", last=True, dry_run=True))
    subprocess.run(["git", "apply", "-"], cwd=root, input=undone.diff.encode(), check=True)
    assert (root / "f.txt").read_text() == before


async def test_a_few_edits_of_a_long_file_are_a_short_diff(house: House, root: Path) -> None:
    lines = [f"def f{number // 4}():\n" if number % 4 == 0 else f"    x = {number % 700}\n" for number in range(16_000)]
    (root / "f.py").write_text("".join(lines))
    lines[::400] = [f"def g{number}():\n" for number in range(40)]
    await house.ok("fs_write", path="f.py", content="".join(lines))
    diff = (await house.ok("fs_undo", last=True, dry_run=True)).diff
    assert sum(line.startswith(("-def", "+def")) for line in diff.splitlines()) == 80
    assert diff.count("\n") == 2 + 39 * 9 + 6
