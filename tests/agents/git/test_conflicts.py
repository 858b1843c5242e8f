"""A merge that a person began and that did not go through: what is in conflict is told, and compared with our side."""

from __future__ import annotations

import re

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.errors import Conflict


async def test_conflicts_are_listed(bench: Bench) -> None:
    bench.git("switch", "-q", "-c", "side", "HEAD~1")
    bench.write("src/app.py", "else\n")
    bench.git("commit", "-q", "-a", "-m", "side")
    with pytest.raises(AssertionError):
        bench.git("merge", "main")
    status = await bench.call("git_status")
    assert [item.path for item in status.conflicts] == ["src/app.py"]
    assert isinstance((await bench.result("git_commit", message="m")).error, Conflict)


async def test_what_is_in_conflict_is_compared_with_our_side(bench: Bench) -> None:
    bench.write("a.txt", "a\n")
    bench.git("add", "a.txt")
    bench.git("commit", "-q", "-m", "Another", "a.txt")
    bench.git("switch", "-q", "-c", "side", "HEAD~2")
    bench.write("src/app.py", "their\tside\tof it\n")
    bench.git("commit", "-q", "-a", "-m", "side")
    with pytest.raises(AssertionError):
        bench.git("merge", "main")
    bench.write("README.md", "# Changed\n")
    bench.write("a.txt", "changed\n")
    diff = await bench.call("git_diff", **{"from": "index"})
    numbers = bench.git("diff", "--ours", "--numstat").splitlines()
    assert [f"{file.additions}\t{file.deletions}\t{file.path}" for file in diff.files] == [
        row for row in numbers if not row.startswith("0\t0")
    ]
    assert [file.path for file in diff.files] == ["README.md", "a.txt", "src/app.py"]
    told = [line for hunk in diff.hunks for line in hunk.text.split("\n")[1:]]
    patch = bench.git("diff", "--ours").splitlines()
    assert told == [line for line in patch if re.match(r"[+-](?![+-]{2} )| ", line)]
