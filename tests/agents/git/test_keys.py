"""Keys in what is to be committed: all of it is looked through, at a cost that grows with its size."""

from __future__ import annotations

from typing import Any

import pytest
from tests.agents.git.bench import Bench
from tests.quickest import within

from astro_mcp.errors import LimitHit, ProtectedPath
from astro_mcp.workspace.git import repository
from astro_mcp.workspace.git.child import Ran, run_git

KEY = "AKIA" + "QWERTYUIOP123456"


async def test_a_file_of_very_many_keys_is_looked_through_in_linear_time_and_told_by_its_first(bench: Bench) -> None:
    bench.write("many.txt", f"{KEY}\n" * 20_000)
    dry = await within(5, lambda: bench.call("git_commit", dry_run=True, message="m"))
    assert [key.line for key in dry.secrets_found] == [*range(1, 101)]
    error = (await bench.result("git_commit", message="m")).error
    assert isinstance(error, ProtectedPath)
    assert error.message.startswith("at least 100 places look like keys")


async def test_nothing_is_committed_where_the_list_of_what_changed_is_too_long_to_be_looked_through(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bounded(arguments: Any, **given: Any) -> Ran:
        return await run_git(arguments, **(given | {"limit": 900} if arguments[0] == "diff-index" else given))

    monkeypatch.setattr(repository, "run_git", bounded)
    for n in range(20):
        bench.write(f"a/{n}", f"{n}\n")
    bench.write("z/key.txt", f"{KEY}\n")
    head = bench.git("rev-parse", "HEAD")
    assert isinstance((await bench.result("git_commit", message="m")).error, LimitHit)
    assert bench.git("rev-parse", "HEAD") == head
    assert isinstance((await bench.result("git_commit", message="m", paths=["z"])).error, ProtectedPath)
    assert (await bench.call("git_commit", message="m", paths=["a/1", "a/2"])).sha


async def test_a_key_in_the_message_is_refused_as_one_in_a_file_is(bench: Bench) -> None:
    bench.write("README.md", "# Changed\n")
    said = f"Log in\n\nwith {KEY}"
    dry = await bench.call("git_commit", dry_run=True, message=said)
    assert [(key.path, key.line) for key in dry.secrets_found] == [("the message", 3)]
    error = (await bench.result("git_commit", message=said)).error
    assert isinstance(error, ProtectedPath)
    assert KEY not in error.text()


async def test_a_key_in_a_file_of_utf_16_is_found(bench: Bench) -> None:
    for name, encoding in (("little.txt", "utf-16-le"), ("big.txt", "utf-16-be")):
        (bench.root / name).write_bytes(f"\ufeffone\r\n{KEY}\r\n".encode(encoding) + b"\xff")
    told = (await bench.call("git_commit", dry_run=True, message="m")).secrets_found
    assert [(key.path, key.line) for key in told] == [("big.txt", 2), ("little.txt", 2)]
