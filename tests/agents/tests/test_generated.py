"""What a project's build makes, and its tests need: files that `.gitignore` hides, and a version."""

from __future__ import annotations

from pathlib import Path

from tests.agents.tests.bench import Bench, write


async def test_generated_modules_that_gitignore_hides_are_imported_and_ignored_folders_stay_out(
    house: Bench, project: Path
) -> None:
    ignored = "_version.py\n*_pb2.py\n*.log\n/build/\n"
    made = dict.fromkeys(("pkg/_version.py", "pkg/a_pb2.py", "build/test_old.py", "pkg/a.log"), "V = 1\n")
    test = "import os, pkg.a_pb2\nfrom pkg._version import V\ndef test_v(): assert not os.path.exists('pkg/a.log')\n"
    write(project, {".gitignore": ignored, "pkg/__init__.py": "", "test_a.py": test} | made)
    result = await house.run()
    assert (result.counts.passed, result.counts.total, result.failures) == (1, 1, [])
