"""Folders and processes that outlive a call: what is read is what is there now, and nothing outlives their owner."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.git.bench import Bench, plain_git

from astro_mcp.agents.git import shows
from astro_mcp.config import SecretSettings
from astro_mcp.errors import NotFound, PathDenied, TimedOut, TooLarge
from astro_mcp.workspace import openat2
from astro_mcp.workspace.git import kept, objects, waiting
from astro_mcp.workspace.git.child import Child, Ran, start_git
from astro_mcp.workspace.git.logged import logged
from astro_mcp.workspace.git.objects import shas_of
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.waiting import CHECK, Pool
from astro_mcp.workspace.workspace import Workspace


def gits(folder: Path) -> list[int]:
    """The processes whose working folder this is."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(place) == str(folder):
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


async def test_every_call_sees_the_repository_as_it_is_now(bench: Bench) -> None:
    assert (await bench.call("git_show")).message.startswith("Add two")
    assert (await bench.call("git_status")).untracked == []
    bench.write("src/app.py", "third\n")
    bench.git("commit", "-q", "-a", "-m", "Third")
    assert (await bench.call("git_show")).message == "Third"
    assert (await bench.call("git_log")).total == 3
    bench.git("branch", "-q", "other", "HEAD~2")
    assert (await bench.call("git_show", ref="other")).message == "Begin"
    bench.git("pack-refs", "--all")
    bench.git("gc", "-q", "--prune=now")
    assert (await bench.call("git_show", ref="other", path="src/app.py")).total_lines == 2
    bench.git("checkout", "-q", "--detach", "other")
    status = await bench.call("git_status")
    assert (status.branch, status.sha) == ("", bench.git("rev-parse", "other").strip())
    bench.write("new.txt", "x\n")
    bench.git("add", "new.txt")
    assert [item.path for item in (await bench.call("git_status")).staged] == ["new.txt"]
    (bench.root / ".git/info").mkdir(exist_ok=True)
    (bench.root / ".git/info/exclude").write_text("*.log\n")
    bench.write("a.log", "x\n")
    assert (await bench.call("git_status")).untracked == []


async def test_attributes_that_change_change_what_is_shown(bench: Bench) -> None:
    assert (await bench.call("git_show")).files[0].additions == 4
    assert (await bench.call("git_log")).items[0].additions == 4
    bench.write(".gitattributes", "*.py -diff\n")
    assert (await bench.call("git_show")).files[0].additions is None
    assert (await bench.call("git_log")).items[0].additions == 0


async def test_attributes_below_the_top_count_in_a_log_after_a_minute(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sizes() -> list[int]:
        return [item.additions for item in (await bench.call("git_log")).items]

    monkeypatch.setattr(kept, "AGE", 3600.0)
    assert await sizes() == [4, 3]
    bench.write("src/.gitattributes", "*.py -diff\n")
    assert await sizes() == [4, 3], "of before, as it may be for so long"
    monkeypatch.setattr(kept, "AGE", 0.0)
    assert await sizes() == [0, 1]
    assert [int(size) for size in re.findall(r"(\d+) insert", bench.git("log", "--shortstat", "--format="))] == [0, 1]
    (bench.root / "src/.gitattributes").unlink()
    assert await sizes() == [4, 3]


async def test_a_log_is_whole_where_another_call_forgets_its_lines_amid_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git, ask = Git(Workspace(SecretSettings()), tmp_path / "kept"), Pool.ask
    shas = bench.git("rev-list", "HEAD").split()
    async with git.keeping(), git.read(bench.session, ".") as repository:

        async def forgetting(self: Pool, *rest: Any, **more: Any) -> Ran:
            ran = await ask(self, *rest, **more)
            repository.memory.forget_lines()
            return ran

        assert len(await logged(repository, shas[:1], "")) == 1
        monkeypatch.setattr(Pool, "ask", forgetting)
        monkeypatch.setattr(kept, "AGE", 0.0)
        assert [one.sha for one in await logged(repository, shas, "")] == shas
        assert repository.memory.logged == {}, "what was told before is of before"


async def test_a_link_among_objects_that_were_gone_through_is_refused(bench: Bench) -> None:
    await anyio.sleep(1.1)  # the folders are old enough to be known by their times
    await bench.call("git_show")
    known = next((bench.root / ".git/objects").glob("[0-9a-f][0-9a-f]"))
    bench.git("commit", "-q", "--allow-empty", "-m", "Other folders change")
    assert (await bench.call("git_show")).message == "Other folders change"
    for link in (known / ("0" * 38), bench.root / ".git/objects/pack/pack-1.pack"):
        link.symlink_to("/etc/passwd")
        assert isinstance((await bench.result("git_show")).error, PathDenied)
        link.unlink()
        assert (await bench.call("git_show")).message == "Other folders change"


async def test_a_process_that_was_killed_is_replaced(bench: Bench) -> None:
    await bench.call("git_show")
    waiting_ones = gits(bench.root)
    assert waiting_ones
    for process in waiting_ones:
        os.kill(process, signal.SIGKILL)
    assert (await bench.call("git_show")).message.startswith("Add two")


async def test_nothing_outlives_the_keeping(bench: Bench, tmp_path: Path) -> None:
    git = Git(Workspace(SecretSettings()), tmp_path / "kept")
    before = set(gits(bench.root))
    async with git.keeping():
        for _ in range(3):
            async with git.read(bench.session, ".") as repository:
                assert await shas_of(repository, "HEAD", "nothing") == [repository.refs.sha, ""]
        assert len(set(gits(bench.root)) - before) == 1
        assert len(list((tmp_path / "kept").iterdir())) == 1
    assert set(gits(bench.root)) - before == set()
    assert list((tmp_path / "kept").iterdir()) == []


async def test_many_readers_at_once_share_a_folder_and_get_their_own_answers(bench: Bench) -> None:
    shas = bench.git("rev-list", "HEAD").split()
    found: dict[int, str] = {}

    async def one(number: int) -> None:
        found[number] = (await bench.call("git_show", ref=shas[number % 2])).sha

    async with anyio.create_task_group() as tasks:
        for number in range(24):
            tasks.start_soon(one, number)
    assert found == {number: shas[number % 2] for number in range(24)}
    assert len(gits(bench.root)) <= 4 * waiting.SPARE


async def test_a_history_that_was_walked_gets_a_picture_and_reads_the_same(bench: Bench, tmp_path: Path) -> None:
    first = await bench.call("git_log", path="src/app.py")
    with anyio.fail_after(20):
        while not list((tmp_path / "private").glob("git-*/objects/info/commit-graph")):
            await anyio.sleep(0.02)
    assert list((bench.root / ".git/objects/info").glob("commit-graph*")) == [], "the repository has none of it"
    assert await bench.call("git_log", path="src/app.py") == first
    bench.write("src/app.py", "third\n")
    bench.git("commit", "-q", "-a", "-m", "Third")
    assert (await bench.call("git_log", path="src/app.py")).total == first.total + 1
    assert not list((tmp_path / "private").glob("git-*/objects/info/commit-graphs/*")), "one commit is no reason"
    for number in range(kept.MOVES):
        bench.write("src/app.py", f"{number}\n")
        bench.git("commit", "-q", "-a", "-m", f"More {number}")
        assert (await bench.call("git_log", path="src/app.py")).total == first.total + 2 + number
    with anyio.fail_after(20):
        while len(list((tmp_path / "private").glob("git-*/objects/info/commit-graphs/*.graph"))) < 1:
            await anyio.sleep(0.02)
    told = (await bench.call("git_log", path="src/app.py", limit=50)).items
    assert [one.sha for one in told] == bench.git("rev-list", "HEAD", "--", "src/app.py").split()
    private = next((tmp_path / "private").glob("git-*"))
    plain_git(bench.root, f"--git-dir={private}", "commit-graph", "verify")


async def test_what_is_idle_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept, "IDLE", 0.1)
    before = set(gits(bench.root))
    git = Git(Workspace(SecretSettings()), tmp_path / "kept")
    async with git.keeping():
        async with git.read(bench.session, ".") as repository:
            await shas_of(repository, "HEAD")
        with anyio.fail_after(20):
            while set(gits(bench.root)) - before or list((tmp_path / "kept").iterdir()):
                await anyio.sleep(0.05)


async def test_a_question_that_is_cancelled_or_late_ends_its_process(tmp_path: Path) -> None:
    silent = waiting.Kind(("hash-object", "--stdin"), b"")  # it answers once its input ends, and that does not

    async def start(kind: waiting.Kind) -> Child:
        return await start_git(kind.arguments, folder=tmp_path, environment={}, stdin=True)

    pool = Pool(start)
    assert (await pool.ask(CHECK, ["HEAD"])).code == 128, "there is no repository, and git says so"
    with pytest.raises(TimedOut):
        await pool.ask(silent, ["x"], seconds=0.3)
    with anyio.move_on_after(0.3) as scope:
        await pool.ask(silent, ["x"])
    assert scope.cancelled_caught
    assert gits(tmp_path) == []


async def test_a_git_that_says_more_of_errors_than_a_pipe_holds_still_answers(bench: Bench, tmp_path: Path) -> None:
    async def start(kind: waiting.Kind) -> Child:
        return await start_git(kind.arguments, folder=bench.root, environment={}, stdin=True)

    bench.git("tag", "-a", "-m", "x", "tag")
    head, tag = bench.git("rev-parse", "HEAD", "tag").split()
    pool = Pool(start)
    try:
        for _ in range(2):
            ran = await pool.ask(waiting.LOGGED, [tag] * 2_000 + [head], seconds=20)
            assert ran.out.startswith(head.encode()), "of what is no commit nothing is said but on the other pipe"
    finally:
        await pool.close()


async def test_an_answer_past_its_limit_is_cut_and_ends_its_process(bench: Bench) -> None:
    async def start(kind: waiting.Kind) -> Child:
        return await start_git(kind.arguments, folder=bench.root, environment={}, stdin=True)

    before = gits(bench.root)
    pool = Pool(start)
    ran = await pool.ask(waiting.CONTENTS, ["HEAD:src/app.py"], limit=60)
    assert (len(ran.out), ran.cut, ran.code) == (60, True, 0)
    assert gits(bench.root) == before
    await pool.close()


async def test_one_copy_of_the_index_is_left_when_it_changed(bench: Bench, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        bench.write(name, "x\n")
        bench.git("add", name)
        assert name in [item.path for item in (await bench.call("git_status")).staged]
    await bench.call("git_status")
    assert len(list((tmp_path / "private").glob("git-*/index*"))) == 1


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The lines of each question to a git that waits."""
    found: list[tuple[str, ...]] = []
    ask = Pool.ask

    async def noted(self: Pool, kind: waiting.Kind, lines: Sequence[str], *rest: Any, **more: Any) -> Ran:
        found.append(tuple(lines))
        return await ask(self, kind, lines, *rest, **more)

    monkeypatch.setattr(Pool, "ask", noted)
    return found


async def test_a_log_after_a_commit_asks_about_that_commit_alone(
    bench: Bench, questions: list[tuple[str, ...]]
) -> None:
    await bench.call("git_log")
    bench.write("README.md", "# Changed\n")
    bench.git("commit", "-q", "-a", "-m", "Third, which\ngit has to tell")
    questions.clear()
    log = await bench.call("git_log")
    assert [item.subject for item in log.items] == ["Third, which git has to tell", "Add two", "Begin"]
    assert questions == [(bench.git("rev-parse", "HEAD").strip(),)]
    bench.write("README.md", "# Changed again\n")
    bench.git("commit", "-q", "-a", "-m", "Fourth")
    questions.clear()
    log = await bench.call("git_log")
    assert (log.items[0].subject, log.items[0].additions, log.items[0].deletions) == ("Fourth", 1, 1)
    assert questions == [] or not openat2.is_available(), "one of a line is read here"


async def test_a_name_that_a_log_led_through_is_not_asked_and_means_what_git_says(
    bench: Bench, questions: list[tuple[str, ...]]
) -> None:
    bench.git("checkout", "-q", "-b", "side", "HEAD~1")
    bench.git("commit", "-q", "--allow-empty", "-m", "Beside")
    bench.git("checkout", "-q", "main")
    bench.git("merge", "-q", "--no-ff", "--no-edit", "side")
    await bench.call("git_log")
    questions.clear()
    for name in ("HEAD", "HEAD^", "HEAD~", "HEAD~2", "HEAD~1^", "HEAD^~0"):
        assert (await bench.call("git_show", ref=name)).sha == bench.git("rev-parse", name).strip()
    words = [word.removesuffix("^{tree}") for lines in questions for line in lines for word in line.split(" ")]
    assert all(len(word) == 40 for word in words), "commits and their trees, and no names"
    for name in ("HEAD^2", "HEAD^2~1", "HEAD^0", "main~1"):
        assert (await bench.call("git_show", ref=name)).sha == bench.git("rev-parse", name).strip()
    for name in ("HEAD~3", "HEAD^^^", "HEAD^3"):
        assert isinstance((await bench.result("git_show", ref=name)).error, NotFound), name


async def test_a_log_after_more_commits_is_gits(bench: Bench) -> None:
    """Also where one of them is a merge, or older than what it follows."""

    async def same() -> None:
        shown = await bench.call("git_log", limit=50)
        assert [item.sha for item in shown.items] == bench.git("rev-list", "HEAD").split()
        assert shown.total == len(shown.items)

    await same()
    for number in range(12):
        bench.git("commit", "-q", "--allow-empty", "-m", f"More {number}")
        if number in (0, 1, 3, 11):
            await same()
    bench.git("checkout", "-q", "-b", "side", "HEAD~9")
    bench.git("commit", "-q", "--allow-empty", "-m", "Long ago", "--date", "2001-01-01T00:00:00Z")
    bench.git("checkout", "-q", "main")
    bench.git("merge", "-q", "--no-ff", "--no-edit", "side")
    await same()
    bench.git("commit", "-q", "--allow-empty", "-m", "After the merge")
    await same()
    bench.git("reset", "-q", "--hard", "HEAD~3")
    bench.git("commit", "-q", "--allow-empty", "-m", "Beside it")
    await same()


async def test_a_log_after_a_commit_writes_nothing_and_what_comes_then_sees_it(bench: Bench, tmp_path: Path) -> None:
    await bench.call("git_log")
    (private,) = (tmp_path / "private").glob("git-*")

    def held() -> dict[str, bytes]:
        return {name: (private / name).read_bytes() for name in os.listdir(private) if (private / name).is_file()}

    before = held()
    bench.write("README.md", "# Changed\n")
    bench.git("commit", "-q", "-a", "-m", "Third")
    bench.git("tag", "third")
    assert (await bench.call("git_log")).total == 3
    assert (await bench.call("git_show")).message == "Third"
    assert held() == before, "neither refs nor index were copied for what names objects alone"
    assert (await bench.call("git_show", ref="third")).message == "Third"
    assert (await bench.call("git_status")).unstaged == []
    assert held() != before


async def test_a_call_that_began_before_a_change_takes_nothing_back(bench: Bench, tmp_path: Path) -> None:
    git = Git(Workspace(SecretSettings()), tmp_path / "kept")
    async with git.keeping():
        async with git.read(bench.session, "."):
            pass
        bench.git("tag", "before")
        async with git.read(bench.session, ".") as older:
            bench.git("tag", "after")
            bench.write("new.txt", "x\n")
            bench.git("add", "new.txt")
            async with git.read(bench.session, ".") as newer:
                head = newer.refs.sha
                assert await shas_of(newer, "after") == [head]
                assert await shas_of(older, "before", "after") == [head, head], "it is given the newer folder"
                assert b"new.txt" in await newer.check_index((await newer.made_ready()).index)
            assert (await older.made_ready()).stamp == (await newer.made_ready()).stamp


async def test_an_index_that_is_a_link_is_refused_where_nobody_reads_it(bench: Bench, tmp_path: Path) -> None:
    await bench.call("git_log")
    index = bench.root / ".git/index"
    index.rename(tmp_path / "elsewhere")
    index.symlink_to(tmp_path / "elsewhere")
    assert isinstance((await bench.result("git_log")).error, PathDenied)
    index.unlink()
    index.mkdir()
    assert isinstance((await bench.result("git_log")).error, PathDenied)
    index.rmdir()
    assert (await bench.call("git_log")).total == 2


async def test_a_file_that_is_too_large_is_asked_about_once(bench: Bench, questions: list[tuple[str, ...]]) -> None:
    size = (shows.FILE + 2 * objects.FOLDER) // 7 * 7
    (bench.root / "large").write_bytes(b"a line\n" * (size // 7))
    bench.git("add", "large")
    bench.git("commit", "-q", "-m", "Large")
    head = bench.git("rev-parse", "HEAD").strip()
    await bench.call("git_log")
    questions.clear()
    error = (await bench.result("git_show", path="large")).error
    assert isinstance(error, TooLarge)
    assert f"{size:,} bytes" in error.message
    assert questions == [(f"{head}:", f"{head}:large")]


async def test_a_file_of_a_folder_with_too_many_names_is_found_step_by_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        bench.write(f"src/file_{number}.txt", f"{number}\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Many")
    monkeypatch.setattr(objects, "FOLDER", -shows.FILE)  # of an answer 200 bytes are left
    assert (await bench.call("git_show", path="src/file_39.txt")).content == "39\n"
    assert (await bench.call("git_show", path="src")).kind == "folder"
    assert isinstance((await bench.result("git_show", path="src/none.txt")).error, NotFound)
