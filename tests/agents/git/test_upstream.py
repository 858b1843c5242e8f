"""How far a branch is from its upstream, wherever the remote's refspec keeps that."""

from __future__ import annotations

import pytest
from tests.agents.git.bench import Bench


@pytest.mark.parametrize(
    ("refspec", "ref"),
    [
        ("+refs/heads/*:refs/remotes/up/*", "refs/remotes/up/main"),
        ("+refs/heads/*:refs/remotes/other/*", "refs/remotes/other/main"),
        ("refs/heads/main:refs/remotes/up/trunk", "refs/remotes/up/trunk"),
        ("+refs/heads/ma*:refs/kept/*", "refs/kept/in"),
        ("+refs/heads/old/*:refs/remotes/old/*", ""),
    ],
)
async def test_the_upstream_is_where_the_refspec_says(bench: Bench, refspec: str, ref: str) -> None:
    bench.git("config", "remote.up.url", "/nowhere")
    bench.git("config", "remote.up.fetch", refspec)
    bench.git("config", "branch.main.remote", "up")
    bench.git("config", "branch.main.merge", "refs/heads/main")
    bench.git("update-ref", ref or "refs/remotes/old/main", "HEAD~1")
    status = await bench.call("git_status")
    assert (status.ahead, status.behind) == ((1, 0) if ref else (0, 0))
    assert status.upstream == ref.removeprefix("refs/remotes/")
    told = bench.git("status", "-sb").split("\n")[0]
    assert ("[ahead 1]" in told) == bool(ref), "as git has it"
