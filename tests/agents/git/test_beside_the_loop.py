"""However much a repository holds, what git tells of it is taken apart beside the event loop."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.agents.git import differences, shows
from astro_mcp.core.authority import Grant
from astro_mcp.errors import TooLarge
from astro_mcp.workspace.git import blamed, objects, repository, revisions, status

CALLS: list[tuple[str, dict[str, Any], Any, str]] = [
    ("git_status", {}, status, "parse"),
    ("git_show", {"path": "src"}, objects, "_items"),
    ("git_show", {"path": "src"}, shows, "_name"),
    ("git_show", {"path": "src/app.py"}, objects, "_named"),
    ("git_show", {"path": "src/app.py", "blame": True}, blamed, "_spans"),
    ("git_show", {"path": "src/app.py", "blame": True}, shows, "_blame"),
    ("git_show", {}, differences, "_files"),
    ("git_diff", {}, differences, "_files"),
    ("git_diff", {"from": "HEAD~1", "to": "HEAD"}, differences, "_hunks"),
    ("git_diff", {"from": "HEAD~1", "to": "HEAD", "stat_only": True}, differences, "parse_numstat"),
    ("git_log", {"ref": "mian"}, revisions, "nearest"),
]


@pytest.mark.parametrize(("tool", "arguments", "module", "name"), CALLS)
async def test_what_may_be_long_is_taken_apart_in_a_worker_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tool: str, arguments: dict[str, Any], module: Any, name: str
) -> None:
    bench.write("README.md", "# Changed\n")
    monkeypatch.setattr(repository, "AT_ONCE", 0)
    threads: set[threading.Thread] = set()
    whole = getattr(module, name)

    def watched(*words: Any, **named: Any) -> Any:
        threads.add(threading.current_thread())
        return whole(*words, **named)

    monkeypatch.setattr(module, name, watched)
    await bench.result(tool, **arguments)
    assert threads
    assert threading.main_thread() not in threads


async def test_refs_are_completed_in_a_worker_thread(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    whole = revisions.names

    def watched(*words: Any) -> Any:
        threads.append(threading.current_thread())
        return whole(*words)

    monkeypatch.setattr("astro_mcp.agents.git.work.names", watched)
    complete = bench.dispatcher.registry.completer("refs", Grant())
    assert complete is not None
    assert await complete(bench.session, "ma") == ["main"]
    assert threads
    assert threading.main_thread() not in threads


async def test_a_blame_that_git_tells_in_too_much_is_too_large(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blamed, "LONGEST", 10)
    monkeypatch.setattr(blamed, "OUTPUT", 2_000)
    for text in ("", "x"):
        bench.write("long.txt", "".join(f"{number}{text * (number % 2)}\n" for number in range(200)))
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", "Lines")
    result = await bench.result("git_show", path="long.txt", blame=True)
    assert isinstance(result.error, TooLarge)
    part = await bench.call("git_show", path="long.txt", blame=True, start_line=5, end_line=9)
    assert [line.line for line in part.lines] == [5, 6, 7, 8, 9]
