"""A log in pages: one after another they are the whole that plain git tells."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import Bench, dispatching, plain_git

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.git import logged
from astro_mcp.workspace.git.repository import Repository


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,200 commits on two branches, made in turns, and merged."""
    root = tmp_path_factory.mktemp("abreast").resolve()
    plain_git(root, "init", "-q", "-b", "main")
    stream, mark = "", 0
    for number in range(600):
        for branch in ("left", "right"):
            mark += 1
            name = "Ann" if number % 3 else "Bob"
            who = f"{name} <{name}@example.com> {1_700_000_000 + 60 * mark} +0000"
            stream += f"commit refs/heads/{branch}\nmark :{mark}\nauthor {who}\ncommitter {who}\ndata 2\nm\n"
            stream += f"M 100644 inline {branch}.txt\ndata {len(str(number))}\n{number}\n\n"
    plain_git(root, "fast-import", "--quiet", stdin=stream)
    tree = plain_git(root, "rev-parse", "left^{tree}").strip()
    merge = plain_git(root, "commit-tree", "-m", "Merge", "-p", "left", "-p", "right", tree).strip()
    plain_git(root, "branch", "merged", merge)
    return root


@pytest.fixture
async def abreast(made: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    async with dispatching(tmp_path) as dispatcher:
        yield Bench(made, Session(Principal("u", Kind.STDIO), Grant(roots=(made,))), dispatcher)


@pytest.mark.parametrize(
    ("arguments", "plain", "limit"),
    [
        ({}, [], 500),
        ({"path": "left.txt"}, ["--", "left.txt"], 250),
        ({"author": "bob"}, ["-i", "--author=bob"], 150),
        ({"since": "2023-11-15"}, ["--since=2023-11-15"], 400),
    ],
)
async def test_the_pages_of_a_log_are_gits_where_branches_ran_side_by_side(
    abreast: Bench, arguments: dict[str, str], plain: list[str], limit: int
) -> None:
    wanted = abreast.git("log", "--format=%H", "merged", *plain).split()
    found: list[str] = []
    skip: int | None = 0
    while skip is not None:
        page = await abreast.call("git_log", ref="merged", limit=limit, skip=skip, **arguments)
        assert (page.total, page.truncated) == (len(wanted), page.next_skip is not None)
        found += [item.sha for item in page.items]
        told = re.search(r"go on with skip=(\d+)", page.text())
        skip = int(told[1]) if told else None
        assert page.next_skip == skip
    assert found == wanted


async def test_a_history_whose_list_is_too_long_has_the_same_pages(
    abreast: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged, "_LISTING", 41 * 100 + 7)
    for skip, total, least in ((0, None, 100), (95, None, 106), (700, None, 711), (1_198, 1_201, None)):
        page = await abreast.call("git_log", ref="merged", limit=10, skip=skip, since="2001-01-01")
        assert (page.total, page.at_least, page.truncated) == (total, least, total is None)
        plain = abreast.git("log", "--format=%H", f"--skip={skip}", "-10", "merged").split()
        assert [item.sha for item in page.items] == plain


async def test_pages_do_not_wait_until_all_that_match_are_counted(
    abreast: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = abreast.git("log", "--format=%H", "merged", "--", "left.txt").split()
    monkeypatch.setattr(logged, "COUNTING", -1)
    asked = _asked(monkeypatch)
    found: list[str] = []
    skip: int | None = 0
    while skip is not None:
        page = await abreast.call("git_log", ref="merged", path="left.txt", limit=290, skip=skip)
        found += [item.sha for item in page.items]
        skip = page.next_skip
        if skip == 290:
            assert (page.total, page.truncated) == (None, True)
            assert 291 <= page.at_least <= 600
            assert page.text().endswith(f"\n290 of at least {page.at_least} commits; go on with skip=290")
    assert (found, page.total, page.at_least) == (wanted, 600, None)
    assert await abreast.call("git_log", ref="merged", path="left.txt", limit=290, skip=580) == page
    assert sum(words[0] == "rev-list" for words in asked) <= 3


async def test_a_page_that_was_cut_goes_on_by_its_cursor(bench: Bench) -> None:
    page = await bench.call("git_log", limit=1)
    assert page.text().endswith("\n1 of 2 commits; go on with skip=1")
    cut = page.model_copy(update={"next_cursor": "there"})
    assert cut.text().endswith("\n1 of 2 commits; go on with cursor there")


async def test_a_log_that_passes_all_commits_says_that_there_are_some(bench: Bench) -> None:
    for skip in (2, 2_000, 10**30):
        page = await bench.call("git_log", skip=skip)
        assert (page.items, page.total, page.truncated) == ([], 2, False)
        assert page.text() == "2 commits match, and all are passed"
    assert isinstance((await bench.result("git_log", skip=-1)).error, InvalidInput)


async def test_pages_of_a_log_that_is_known_ask_no_git_for_their_shas_up_to_a_thousand(
    abreast: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await abreast.call("git_log", ref="merged", limit=1)
    asked = _asked(monkeypatch)
    for skip, count in ((0, 0), (990, 0), (995, 1), (1_190, 1)):
        asked.clear()
        page = await abreast.call("git_log", ref="merged", limit=10, skip=skip)
        assert [item.sha for item in page.items] == abreast.git(
            "log", "--format=%H", f"--skip={skip}", "-10", "merged"
        ).split()
        assert len(asked) == count, skip


async def test_a_range_leaves_out_what_leads_to_its_start(abreast: Bench) -> None:
    for span, more in (("left~3..merged", {}), ("left..right", {"author": "bob"}), ("merged..left", {})):
        plain = [f"--author={more['author']}", "-i"] if more else []
        told = await abreast.call("git_log", ref=span, **more)
        wanted = abreast.git("log", "--format=%H", *plain, span).split()
        assert (told.total, [one.sha for one in told.items]) == (len(wanted), wanted[:500]), span
    rest = await abreast.call("git_log", ref="left..merged", limit=7, skip=590)
    assert [one.sha for one in rest.items] == abreast.git("log", "--format=%H", "left..merged").split()[590:597]


async def test_a_range_without_an_end_goes_from_or_to_head(bench: Bench) -> None:
    assert [one.subject for one in (await bench.call("git_log", ref="HEAD~1..")).items] == ["Add two"]
    assert (await bench.call("git_log", ref="..HEAD~1")).items == []
    for ref in ("HEAD~1...HEAD", "a..b..c", "nosuch..HEAD", "HEAD..--all"):
        assert (await bench.result("git_log", ref=ref)).error is not None, ref
    error = (await bench.result("git_diff", **{"from": "HEAD~1..HEAD"})).error
    assert isinstance(error, InvalidInput)
    assert "from and to" in error.hint
    error = (await bench.result("git_show", ref="HEAD:README.md")).error
    assert isinstance(error, InvalidInput)
    assert "ref and path" in error.hint


async def test_a_short_sha_that_several_commits_begin_with_needs_more_digits(abreast: Bench) -> None:
    shas = sorted(abreast.git("rev-list", "--all").split())
    one, other = next(pair for pair in pairwise(shas) if pair[0][:4] == pair[1][:4])
    for ref in (one[:4], f"{one[:4].upper()}~1"):
        error = (await abreast.result("git_show", ref=ref)).error
        assert isinstance(error, InvalidInput)
        assert error.message.startswith(f"{one[:4]} begins ")
        assert error.message.endswith(" objects")
        assert f"{one[:12]} (commit), {other[:12]} (commit)" in error.hint
    assert (await abreast.call("git_show", ref=one[:12])).sha == one


def _asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What git is started for from now on."""
    asked: list[tuple[Any, ...]] = []
    run = Repository.git

    async def noted(self: Repository, *arguments: Any, **more: Any) -> Any:
        asked.append(arguments)
        return await run(self, *arguments, **more)

    monkeypatch.setattr(Repository, "git", noted)
    return asked
