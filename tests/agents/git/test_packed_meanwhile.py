"""A person's git packs refs and objects while a repository is looked at: nothing seems gone, and no call fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.workspace.git import layout, refs


async def test_refs_that_are_packed_while_they_are_read_are_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.git("branch", "deep/er/branch")
    bench.git("branch", "other")
    calls: list[str] = []

    def between(name: str) -> Callable[..., Any]:
        whole = getattr(refs, name)

        def packing(*words: Any) -> Any:
            calls.append(name)
            if len(calls) == 2:
                bench.git("pack-refs", "--all", "--prune")
            return whole(*words)

        return packing

    for name in ("_packed", "_loose"):
        monkeypatch.setattr(refs, name, between(name))
    status = await bench.call("git_status")
    assert len(calls) == 2
    assert status.sha == bench.git("rev-parse", "HEAD").strip()


async def test_a_folder_of_refs_that_goes_while_they_are_read_is_passed_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bench.root / ".git/refs/heads/deep"
    folder.mkdir()
    whole = refs.valid_ref

    def going(name: str) -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return whole(name)

    monkeypatch.setattr(refs, "valid_ref", going)
    assert (await bench.call("git_status")).branch == "main"


@pytest.mark.parametrize("when", ["_state", "_files_alone"])
async def test_a_folder_of_objects_that_goes_while_they_are_gone_through_is_passed_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    objects = bench.root / ".git/objects"
    folder = next(one for one in (objects / f"{number:02x}" for number in range(256)) if not one.exists())
    folder.mkdir()
    whole = getattr(layout, when)

    def going(*words: Any) -> Any:
        folder.rmdir() if folder.exists() else None
        return whole(*words)

    monkeypatch.setattr(layout, when, going)
    assert (await bench.call("git_log")).total == 2
