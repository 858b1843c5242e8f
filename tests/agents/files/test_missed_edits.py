"""An old text that is not there: the hint leads to the line that keeps it from being there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.agents.files.house import House

TEXT = "import os\n\n\ndef one(a, b):\n    x = a\n    return x + b\n\n\ndef two(a, b):\n    x = a\n    return x * b\n"


@pytest.mark.parametrize(
    ("old", "hint"),
    [
        ("def one(a,  b):\n    x = a\n", "app.py:4 is most like its first line; read it again"),
        ("def two(a, b):\n    x = a\n    return x + b\n", "app.py:11 is the first line that differs; read it again"),
        ("    x = a\n    return x - c\n", "app.py:6 is the first line that differs; read it again"),
        ("def one(a, b):\n\tx = a\n", "app.py:5 differs in white space alone; read it again"),
        ("\tx = a\n    return x + b", "app.py:5 differs in white space alone; read it again"),
        ("def one(a, b):\n    x = a\n    return x + b\n\n\n\n", "its lines stand at app.py:4; the blank ones around"),
        ("def two(a, b):\n    x = a\n    return x * b\nmore", "app.py:12 is the first line that differs"),
        ("def twoo(a, b):", "app.py:9 is most like its first line"),
        ("entirely unlike", "read the file again: it may have changed"),
        (" ; ", "read the file again: it may have changed"),
    ],
)
async def test_the_hint_of_a_missed_edit_names_the_line(house: House, root: Path, old: str, hint: str) -> None:
    (root / "app.py").write_text(TEXT)
    error = await house.refused("fs_edit", edits=[{"path": "app.py", "old": old, "new": "x"}])
    assert error.code == "invalid_input"
    assert hint in error.hint


async def test_a_missed_edit_of_a_long_file_is_told_at_once(house: House, root: Path) -> None:
    (root / "long.txt").write_text("".join(f"{'ab' * 40} {number}\n" for number in range(20_000)))
    old = f"{'ba' * 40} 7\n" * 2_000
    began = time.process_time()
    await house.refused("fs_edit", edits=[{"path": "long.txt", "old": old, "new": "x"}])
    assert time.process_time() - began < 1
