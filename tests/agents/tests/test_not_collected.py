"""Files that pytest can't collect, and tests that fail before their first line: where, and that they are there."""

from __future__ import annotations

from pathlib import Path

from tests.agents.tests.bench import Bench, write

BROKEN = {
    "pkg/__init__.py": "\n\nimport nothing_like_it\n",
    "test_import.py": "import os\nfrom pkg import x\n",
    "test_syntax.py": "def test_a():\n    x = )\n",
}
ALIKE = dict.fromkeys(("a/test_x.py", "b/test_x.py"), "def test_a(): pass\n")
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


async def test_two_files_of_one_name_are_told_as_that_and_an_unknown_option_as_one_of_a_plugin(
    house: Bench, project: Path
) -> None:
    write(project, ALIKE)
    [failure] = (await house.run()).failures
    assert failure.id == "b/test_x.py"
    assert failure.message.startswith("import file mismatch: imported module 'test_x'")
    write(project, {"pytest.ini": "[pytest]\naddopts = --no-such-option\n"})
    result = await house.run()
    assert (result.exit_code, "of plugins" in result.explanation) == (4, True)
    assert "--no-such-option" in result.explanation


async def test_a_test_that_fails_before_its_first_line_has_the_line_where_it_begins(
    house: Bench, project: Path
) -> None:
    write(project, {"test_a.py": EARLY})
    result = await house.run()
    assert {item.id: (item.file, item.line) for item in result.failures} == {
        "test_a.py::test_asks": ("test_a.py", 4),
        "test_a.py::test_passes": ("test_a.py", 7),
    }


UNITTEST = {
    "pkg/__init__.py": "",
    "pkg/test_import.py": "import nothing_like_it\n",
    "pkg/test_syntax.py": "def test_a(:\n",
    "pkg/test_skipped.py": "import unittest\nraise unittest.SkipTest('not here')\n",
    "pkg/test_b.py": "import unittest\nclass B(unittest.TestCase):\n    def test_b(self): self.fail('b')\n",
}


async def test_what_unittest_can_not_load_keeps_its_name_and_ends_no_other_test(house: Bench, project: Path) -> None:
    write(project, UNITTEST)
    whole = await house.run(runner="unittest")
    again = await house.run(runner="unittest", select="failed")
    names = ["pkg.test_b.B.test_b", "pkg.test_import", "pkg.test_syntax"]
    assert [sorted(item.id for item in run.failures) for run in (whole, again)] == [names, names]
    for name in names[1:]:
        alone = await house.run(runner="unittest", path=name.replace(".", "/") + ".py")
        assert [item.id for item in alone.failures] == [name]
    assert (await house.run(runner="unittest", path="pkg/test_skipped.py")).counts.skipped == 1
