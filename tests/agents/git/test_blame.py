"""Who wrote a file's lines: git's own answer, also where most of it is remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.agents.git.bench import Bench, dispatching
from tests.agents.git.varied import clone_or_make

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.errors import TimedOut
from astro_mcp.workspace.git.child import run_git

RUN = "astro_mcp.workspace.git.repository.run_git"


@pytest.fixture
async def varied(tmp_path: Path) -> AsyncIterator[Bench]:
    root = clone_or_make(tmp_path / "varied", 1_000).resolve()
    async with dispatching(tmp_path) as dispatcher:
        yield Bench(root, Session(Principal("u", Kind.STDIO), Grant(roots=(root,))), dispatcher)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of each blame that a git was started for."""
    found: list[list[str]] = []

    async def run(arguments: Any, **options: Any) -> Any:
        if arguments[0] == "blame":
            found.append([str(one) for one in arguments])
        return await run_git(arguments, **options)

    monkeypatch.setattr(RUN, run)
    return found


def told(bench: Bench, *arguments: str) -> list[tuple[str, str]]:
    """Sha and author of each line, as git tells them."""
    found, sha, authors = [], "", dict[str, str]()
    for line in bench.git("--literal-pathspecs", "blame", "--line-porcelain", *arguments).split("\n"):
        if line.startswith("author "):
            authors[sha] = line[7:]
        elif line.startswith("\t"):
            found.append((sha, authors[sha]))
        elif len(line.split(" ")[0]) == 40:
            sha = line.split(" ")[0]
    return found


@pytest.mark.parametrize(
    "seconds",
    [*(253_402_300_800, 2**62), *(pytest.param(n, marks=pytest.mark.full) for n in (-5, 10**12, 951_782_400, 10**16))],
)
async def test_a_date_is_told_as_git_shows_it_in_whatever_year(bench: Bench, seconds: int) -> None:
    tree = bench.git("rev-parse", "HEAD^{tree}").strip()
    when = "committer A <a@b> 1700000000 +0000"
    text = f"tree {tree}\nauthor A <a@b> {seconds} +0000\n{when}\n\nm\n"
    sha = bench.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text).strip()
    shown = bench.git("blame", "--date=iso-strict", sha, "--", "README.md").split("(A ")[1].split(" ")[0]
    for _ in range(2):
        blame = await bench.call("git_show", ref=sha, path="README.md", blame=True)
        assert [line.date for line in blame.lines] == [shown.replace("Z", "+00:00")]


@pytest.mark.parametrize("count", [25, pytest.param(400, marks=pytest.mark.full)])
async def test_a_file_asked_about_at_commit_after_commit_is_blamed_as_git_does(varied: Bench, count: int) -> None:
    """Forth and back in a history of merges and renames, in ranges."""
    chance = Random(count)
    shas = varied.git("rev-list", "HEAD").split()
    paths = ["plain.txt", "dir/inner.py", "with space.txt", "no-end.txt", "über/日本.txt"]
    done = 0
    while done < count:
        path = chance.choice(paths)
        for at in sorted((chance.randrange(len(shas)) for _ in range(5)), reverse=chance.random() < 0.7):
            result = await varied.result("git_show", ref=shas[at], path=path)
            total = 0 if result.error else result.unwrap().model_dump()["total_lines"]
            if total < 2:
                continue
            start = chance.randint(1, total - 1)
            end = chance.randint(start, total)
            span = {"blame": True, "start_line": start, "end_line": end}
            shown = await varied.call("git_show", ref=shas[at], path=path, **span)
            plain = told(varied, f"-L{start},{end}", shas[at], "--", path)
            assert [(line.sha, line.author) for line in shown.lines] == plain, (shas[at], path, start, end)
            done += 1


async def test_what_is_known_of_an_earlier_commit_is_not_asked_again(bench: Bench, asked: list[list[str]]) -> None:
    span = {"path": "src/app.py", "blame": True}
    first = await bench.call("git_show", start_line=5, end_line=5, **span)
    assert asked[-1][2:4] == ["-L", "5,5"]
    whole = await bench.call("git_show", **span)
    assert "-L" not in asked[-1]
    assert whole.lines[4] == first.lines[0]
    assert (await bench.call("git_show", start_line=2, **span)).lines == whole.lines[1:]
    assert len(asked) == 2
    bench.write("src/app.py", "# One and two.\n" + (bench.root / "src/app.py").read_text())
    bench.git("commit", "-q", "-a", "-m", "Third")
    third = await bench.call("git_show", **span)
    assert f"^{whole.sha}" in asked[-1]
    assert [line.sha for line in third.lines] == [third.sha, *(line.sha for line in whole.lines)]
    assert [line.text for line in third.lines[1:]] == [line.text for line in whole.lines]
    assert len(asked) == 3


async def test_lines_that_came_by_another_way_are_told_right(bench: Bench) -> None:
    for _ in range(2):
        await bench.call("git_show", path="src/app.py", blame=True)
    bench.git("checkout", "-q", "-b", "side", "HEAD~1")
    bench.write("src/app.py", "def zero():\n    return 0\n\n\n" + (bench.root / "src/app.py").read_text())
    bench.git("commit", "-q", "-a", "-m", "Zero")
    for commit in ("side", "main", "side~1", "side"):
        shown = await bench.call("git_show", ref=commit, path="src/app.py", blame=True)
        assert [(line.sha, line.author) for line in shown.lines] == told(bench, commit, "--", "src/app.py")
    bench.git("merge", "-q", "--no-edit", "main")
    for name in ("src/app.py", "src/moved.py"):
        shown = await bench.call("git_show", path=name, blame=True)
        assert [(line.sha, line.author) for line in shown.lines] == told(bench, "HEAD", "--", name)
        bench.git("mv", "src/app.py", "src/moved.py") if name == "src/app.py" else None
        bench.git("commit", "-q", "--allow-empty", "-m", "Move")


async def test_a_history_that_takes_too_long_is_asked_range_by_range(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(arguments: Any, **options: Any) -> Any:
        if arguments[0] == "blame" and "-L" not in arguments:
            tried.append(arguments)
            raise TimedOut("git took longer than 10 s")
        return await run_git(arguments, **options)

    tried: list[Any] = []
    monkeypatch.setattr(RUN, run)
    for line in (2, 5, 6):
        shown = await bench.call("git_show", path="src/app.py", blame=True, start_line=line, end_line=line)
        assert (shown.lines[0].sha, shown.lines[0].author) == told(bench, "HEAD", "--", "src/app.py")[line - 1]
    assert len(tried) == 1


async def test_a_commit_is_told_once_above_its_lines(bench: Bench) -> None:
    bench.write("src/app.py", "def one():\n    return 1\n\n# Two.\ndef two():\n    return 2\n")
    bench.git("commit", "-q", "-a", "-m", "Third")
    shown = await bench.call("git_show", path="src/app.py", blame=True)
    first, second, third = bench.git("rev-parse", "HEAD~2", "HEAD~1", "HEAD").split()
    date = shown.lines[0].date[:10]
    assert shown.text().splitlines() == [
        f"{first[:10]} {date} A U Thor",
        *("1\tdef one():", "2\t    return 1"),
        f"{second[:10]} {date} A U Thor",
        "3\t",
        f"{third[:10]} {date} A U Thor",
        "4\t# Two.",
        second[:8],
        *("5\tdef two():", "6\t    return 2"),
    ]


async def test_a_blame_that_was_begun_for_nothing_is_ended(bench: Bench, asked: list[list[str]]) -> None:
    """It is begun beside the look at what stands there."""
    (bench.root / "data.bin").write_bytes(b"\0\n" * 10)
    bench.write("deep/one.txt", "1\n2\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Third")
    span = {"blame": True, "start_line": 1, "end_line": 5}
    for path in ("none.txt", "deep"):
        result = await bench.result("git_show", path=path, **span)
        assert result.error is not None or result.unwrap().model_dump()["kind"] == "folder"
    assert (await bench.call("git_show", path="data.bin", **span)).kind == "binary"
    del asked[:]
    shown = await bench.call("git_show", path="deep/one.txt", **span)
    assert [(line.sha, line.author) for line in shown.lines] == told(bench, "HEAD", "--", "deep/one.txt")
    assert len(asked) == 1, "once, though the file ends before"
    beyond = await bench.result("git_show", path="README.md", blame=True, start_line=7, end_line=9)
    assert beyond.error is not None
    assert beyond.error.code == "invalid_input"
