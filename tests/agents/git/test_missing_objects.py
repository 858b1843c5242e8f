"""A partial clone has not all of its objects, and ours fetches none."""

from __future__ import annotations

import re

from tests.agents.git.bench import Bench

from astro_mcp.errors import Unsupported


async def test_what_a_partial_clone_lacks_is_there_after_what_the_hint_says(bench: Bench) -> None:
    bench.git("config", "uploadpack.allowFilter", "true")
    bench.git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{bench.root}", "partial")
    error = (await bench.result("git_log", repo="partial")).error
    assert isinstance(error, Unsupported)
    told = re.search(r"yourself: git ([a-z -]+)", error.hint)
    assert told is not None
    bench.git("-C", "partial", *told[1].split())
    assert (await bench.call("git_log", repo="partial")).total == 2


async def test_a_partial_clone_without_its_objects_gives_a_typed_error(bench: Bench) -> None:
    bench.git("config", "uploadpack.allowFilter", "true")
    bench.git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{bench.root}", "partial")
    error = (await bench.result("git_show", repo="partial", path="src/app.py")).error
    assert isinstance(error, Unsupported)
    assert "missing" in error.message
