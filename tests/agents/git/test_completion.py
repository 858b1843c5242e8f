"""Which refs a host is offered while a person types one: the repository's own, read without starting git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, plain_git

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.workspace.git import refs


async def offered(bench: Bench, prefix: str = "", *roots: Path) -> list[str]:
    complete = bench.dispatcher.registry.completer("refs", Grant())
    assert complete is not None
    session = Session(Principal("u", Kind.STDIO), Grant(roots)) if roots else bench.session
    return await complete(session, prefix)


async def test_branches_then_tags_then_those_of_remotes_are_offered_as_git_names_them(bench: Bench) -> None:
    for name in ("side", "fix/login", "fix/logout"):
        bench.git("branch", name, "HEAD~1")
    bench.git("tag", "v1.0")
    bench.git("tag", "-a", "v1.1", "-m", "Second")
    bench.git("update-ref", "refs/remotes/origin/main", "HEAD")
    bench.git("update-ref", "refs/stash", "HEAD")
    bench.git("pack-refs", "--all")
    bench.git("branch", "loose")
    kinds = ("refs/heads", "refs/tags", "refs/remotes")
    plain = [bench.git("for-each-ref", "--format=%(refname:short)", kind).split() for kind in kinds]
    assert [len(names) for names in plain] == [5, 2, 1]
    assert await offered(bench) == [name for names in plain for name in names]
    assert await offered(bench, "fix/lo") == ["fix/login", "fix/logout"]
    assert await offered(bench, "nothing") == []
    for name in ("fix/login", "v1.1", "origin/main"):
        assert (await bench.result("git_diff", **{"from": name, "to": "HEAD"})).error is None, "the tools take it"


async def test_a_name_that_hides_what_it_is_or_can_not_be_said_is_not_offered_nor_more_than_a_hundred(
    bench: Bench,
) -> None:
    sha = bench.git("rev-parse", "HEAD").strip()
    odd = ["-output=stolen", "a\u202eb", "zero\u200bwidth", "a{b"]
    plain = ["ümlaut", *(f"t{number:03}" for number in range(150))]
    table = "".join(f"{sha} refs/heads/{name}\n" for name in odd + plain)
    (bench.root / ".git/packed-refs").write_text(table, encoding="utf-8")
    assert await offered(bench) == sorted(["main", *plain])[:100]
    for name in odd:
        assert await offered(bench, name[:2]) == [], name
    assert await offered(bench, "ü") == ["ümlaut"]


async def test_a_configuration_that_would_end_git_says_nothing_here(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "included").write_text("[no section")
    with (bench.root / ".git/config").open("a") as config:
        config.write(f"[include]\n\tpath = {tmp_path / 'included'}\n")
    with pytest.raises(AssertionError, match="bad config"):
        bench.git("for-each-ref")
    assert await offered(bench) == ["main"]


async def test_every_root_that_is_a_repository_counts_and_no_repository_outside_of_them(
    bench: Bench, tmp_path: Path
) -> None:
    other, named, linked, common = (tmp_path / name for name in ("other", "named", "linked", "common"))
    for folder in (named, linked):
        folder.mkdir()
    for folder in (other, common):
        subprocess.run(["git", "init", "-q", "-b", "trunk", folder], check=True)
    plain_git(other, "commit", "-q", "--allow-empty", "-m", "First")
    assert await offered(bench, "", linked, bench.root, other) == ["main", "trunk"]
    (named / ".git").write_text(f"gitdir: {bench.root}/.git\n")
    (linked / ".git").symlink_to(bench.root / ".git")
    (common / ".git/commondir").write_text(f"{bench.root}/.git\n")
    for folder in (named, linked, common):
        assert "refs/heads/main" in plain_git(folder, "for-each-ref"), "plain git follows it"
        assert await offered(bench, "", folder) == [], folder.name


async def test_refs_behind_a_link_or_beyond_number_are_not_offered(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refs, "MOST", 20)
    assert await offered(bench) == ["main"]
    for number in range(20):
        (bench.root / f".git/refs/tags/folder{number}").mkdir()
    assert await offered(bench) == []
    monkeypatch.undo()
    assert await offered(bench) == ["main"]
    (bench.root / ".git/refs/heads").rename(tmp_path / "outside")
    (bench.root / ".git/refs/heads").symlink_to(tmp_path / "outside")
    assert "main" in bench.git("branch"), "plain git follows it"
    assert await offered(bench) == []
