"""Files that pytest can't collect, and tests that fail before their first line: where, and that they are there."""

from __future__ import annotations

from pathlib import Path

from tests.agents.tests.bench import Bench, write

BROKEN = {
    "pkg/__init__.py": "\n\nimport nothing_like_it\n",
    "test_import.py": "import os\nfrom pkg import x\n",
    "test_syntax.py": "def test_a():\n    x = )\n",
}
EARLY = (
    "import pytest\n\n\ndef test_asks(nothing): pass\n\n\n@pytest.mark.xfail(strict=True)\ndef test_passes(): pass\n"
)


async def test_what_can_not_be_collected_has_its_line_and_failed_runs_it_again_and_does_not_say_that_it_is_gone(
    house: Bench, project: Path
) -> None:
    write(project, BROKEN)
    await house.run()
    result = await house.run(select="failed")
    assert {(item.id, item.file, item.line) for item in result.failures} == {
        ("test_import.py", "pkg/__init__.py", 3),
        ("test_syntax.py", "test_syntax.py", 2),
    }
    assert result.left_out == []


async def test_a_test_that_fails_before_its_first_line_has_the_line_where_it_begins(
    house: Bench, project: Path
) -> None:
    write(project, {"test_a.py": EARLY})
    result = await house.run()
    assert {item.id: (item.file, item.line) for item in result.failures} == {
        "test_a.py::test_asks": ("test_a.py", 4),
        "test_a.py::test_passes": ("test_a.py", 7),
    }
