"""What stands against a write into a repository: it is said before anything happened, or nothing stands against it."""

from __future__ import annotations

import os

from tests.agents.git.bench import Bench


async def test_a_reflog_that_cant_be_written_stops_no_step_and_leaves_its_way_back(bench: Bench) -> None:
    bench.git("branch", "side", "HEAD~1")
    for name in ("HEAD", "refs/heads/side"):
        (bench.root / ".git/logs" / name).unlink()
    os.mkfifo(bench.root / ".git/logs/HEAD")
    (bench.root / ".git/logs/refs/heads/side/full").mkdir(parents=True)
    bench.write("README.md", "# Changed\n")
    made = await bench.call("git_commit", message="m")
    assert bench.git("rev-parse", "main").strip() == made.sha
    merged = await bench.call("git_merge", **{"from": "main", "into": "side"})
    assert bench.git("rev-parse", "side").strip() == made.sha
    await bench.call("git_undo", recovery_ref=merged.recovery_ref)
    assert bench.git("rev-parse", "side") == bench.git("rev-parse", "main~2")
