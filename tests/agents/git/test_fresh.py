"""What is told of a new commit without git is what git tells of it."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.test_standing import known_at_once

from astro_mcp.config import SecretSettings
from astro_mcp.workspace import openat2
from astro_mcp.workspace.git import fresh
from astro_mcp.workspace.git.fresh import told_here
from astro_mcp.workspace.git.logged import logged
from astro_mcp.workspace.git.repository import Git, Repository
from astro_mcp.workspace.workspace import Workspace

EDITS = 60
MESSAGES = (
    *("Plain", "Two lines\nof a subject", "  leading", "trailing  ", "\n\nblank first", "Tab\there", "Ünïcode — 日本"),
    *(
        "Subject\n\nBody\n\nmore",
        "Subject\n \nafter a blank that is none",
        "x" * 300,
        "dot.",
        "percent %s %n",
        "ends\r",
    ),
)
AUTHORS = ("A U Thor", "Jörg", "O'Neil, Jr.", "dotted.", "two  spaces", "日本")
DATES = ("1500000000 +0000", "1500000001 +0530", "1700000000 -0330", "1234567890 -0000", "1600000000 +1400")


@pytest.fixture(autouse=True)
def at_once(bench: Bench) -> None:
    if not openat2.is_available() or not known_at_once(bench.root):
        pytest.skip("this file system is not read without waiting")


@asynccontextmanager
async def opened(bench: Bench, folder: Path) -> AsyncIterator[Repository]:
    """A kept repository of which git told what HEAD is."""
    git = Git(Workspace(SecretSettings()), folder / "kept")
    async with git.keeping(), git.read(bench.session, ".") as repository:
        await repository.blocking(repository.learn)
        await logged(repository, [bench.git("rev-parse", "HEAD").strip()], "")
        yield repository


async def compared(bench: Bench, repository: Repository) -> bool:
    """Whether HEAD was told here; then it is what git tells, which is kept."""
    sha = bench.git("rev-parse", "HEAD").strip()
    mine = told_here(repository, sha)
    told: list[Any] = []
    if mine is not None:
        repository.memory.logged[sha] = mine
        told = await logged(repository, [sha], "")
        del repository.memory.logged[sha]
    gits = await logged(repository, [sha], "")
    assert mine is None or told == gits
    assert mine is None or mine.split(b"\0")[:2] == repository.memory.logged[sha].split(b"\0")[:2], "parent and tree"
    return mine is not None


def edit(root: Path, chance: Random) -> None:
    """One file is changed, made, taken away, or becomes another kind."""
    kept = (".git", ".gitattributes")
    paths = sorted(path for path in root.rglob("*") if not {*kept} & {*path.parts} and not path.is_dir())
    path = chance.choice(paths)
    if path.is_symlink():
        path.unlink()
        path.write_bytes(b"")
    kind = chance.choices("lnmsx", [20, 2, 1, 1, 1])[0]
    if kind == "l":
        path.write_bytes(b"".join(edited(path.read_bytes().splitlines(keepends=True), chance)))
    elif kind == "n":
        path.with_name(f"new-{chance.randrange(50)}.txt").write_bytes(b"a\n" * chance.randint(0, 4))
    elif kind == "m" and len(paths) > 3:
        path.rename(path.with_name(f"moved-{chance.randrange(50)}.txt"))
    elif kind == "s":
        path.unlink()
        path.symlink_to("src/app.py")
    elif kind == "x":
        path.chmod(0o755 if not path.stat().st_mode & 0o100 else 0o644)


def edited(lines: list[bytes], chance: Random) -> list[bytes]:
    line = chance.choice([b"a\n", b"b\n", b"c\n", b"}\n", b"%d\n" % chance.randrange(1000), b"crlf\r\n", b"\n"])
    at = chance.randint(0, len(lines))
    few, rest = chance.randint(1, 3), lines[at:]
    forms = {
        "put": [*lines[:at], *[line] * few, *rest],
        "taken": [*lines[:at], *rest[few:]],
        "replaced": [*lines[:at], line, *rest[few:]],
        "in two places": [line, *lines[1:at], *rest, line],
        "no end": [*lines, b"no end"],
        "binary": [*lines, b"\0binary\n"],
        "nothing": [],
    }
    return forms[chance.choices(list(forms), [5, 5, 6, 2, 2, 1, 1])[0]]


RULES = ("*.bat text eol=crlf\n", "* text=auto eol=lf\n", "*.txt -diff\n*.md binary\n", "deep/er.py diff=python\n")
"""The last two mean some of the files, and git tells of those."""


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 30))])
async def test_whatever_is_committed_is_told_as_git_tells_it(bench: Bench, tmp_path: Path, seed: int) -> None:
    chance, told = Random(seed), 0
    for name in ("src/deep/er.py", "src/deep/two.py", "plain.txt"):
        bench.write(name, "".join(f"{chance.choice('abc}')}\n" for _ in range(30)))
    rules = chance.choices(RULES, k=chance.randrange(3))
    for name, rule in zip((".gitattributes", "src/.gitattributes"), rules, strict=False):
        bench.write(name, rule)
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Files")
    async with opened(bench, tmp_path) as repository:
        for _ in range(EDITS):
            for _ in range(chance.choice([1, 1, 1, 2, 3])):
                edit(bench.root, chance)
            bench.git("add", "-A")
            name, date = chance.choice(AUTHORS), chance.choice(DATES)
            options = ("--allow-empty", "--cleanup=verbatim", "-m", chance.choice(MESSAGES))
            bench.git("commit", "-q", f"--author={name} <a@example.com>", f"--date={date}", *options)
            told += await compared(bench, repository)
    assert told > EDITS // 8 or {*rules} & {*RULES[2:]}, "most of it was left to git"


def _attributes(bench: Bench) -> None:
    bench.write("src/.gitattributes", "*.py -diff\n")


def _by_a_name(bench: Bench) -> None:
    bench.write(".gitattributes", "*.md diff\n/src/APP.PY binary\n")


def _by_a_link(bench: Bench) -> None:
    bench.write("rules", "")
    (bench.root / ".gitattributes").symlink_to("rules")


def _of_the_index(bench: Bench) -> None:
    _attributes(bench)
    bench.git("add", "-A")
    (bench.root / "src/.gitattributes").unlink()


def _corrupt(bench: Bench) -> None:
    """An object that is not what its name says."""
    sha = bench.git("rev-parse", "HEAD:src/app.py").strip()
    path = bench.root / f".git/objects/{sha[:2]}/{sha[2:]}"
    data = zlib.decompress(path.read_bytes()).replace(b"Second", b"Beyond")
    path.unlink()
    path.write_bytes(zlib.compress(data))


def _linked(bench: Bench) -> None:
    sha = bench.git("rev-parse", "HEAD").strip()
    path = bench.root / f".git/objects/{sha[:2]}/{sha[2:]}"
    path.rename(bench.root.parent / "object")
    path.symlink_to(bench.root.parent / "object")


def _mapped(bench: Bench) -> None:
    (bench.root / ".mailmap").write_text("Real Name <x@y> <Author@Example.com>\n")


LEFT: dict[str, Callable[[Bench], Any]] = {
    "attributes": _attributes,
    "attributes of one of them": _by_a_name,
    "another name": _mapped,
    "attributes behind a link": _by_a_link,
    "attributes of the index": _of_the_index,
    "an object of another content": _corrupt,
    "an object that is a link": _linked,
    "packed objects": lambda bench: bench.git("gc", "-q"),
    "an index of names that are cut": lambda bench: bench.git("update-index", "--index-version", "4"),
    "a signature": lambda bench: bench.git("reset", "-q", "--soft", _signed(bench)),
    "an encoding": lambda bench: bench.git(
        "-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--amend", "-m", "é"
    ),
    "two parents": lambda bench: bench.git("merge", "-q", "--no-edit", "side"),
}


def _signed(bench: Bench) -> str:
    text = bench.git("cat-file", "commit", "HEAD").replace("\n\n", "\ngpgsig -----BEGIN\n x\n -----END\n\n", 1)
    return plain_git(bench.root, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text).strip()


@pytest.mark.parametrize("what", ["nothing", *LEFT])
async def test_what_git_may_count_otherwise_is_left_to_git(bench: Bench, tmp_path: Path, what: str) -> None:
    bench.git("branch", "side", "HEAD~1")
    bench.git("checkout", "-q", "side")
    bench.git("commit", "-q", "--allow-empty", "-m", "Beside")
    bench.git("checkout", "-q", "main")
    async with opened(bench, tmp_path) as repository:
        for text in ("# First\n", "# Second\n"):
            bench.write("src/app.py", text)
            bench.git("commit", "-q", "-a", "-m", text.strip("# \n"))
            assert await compared(bench, repository), "the kernel knows that there are no attributes"
            repository.memory.logged.pop(bench.git("rev-parse", "HEAD").strip()) if text == "# Second\n" else None
        repository.memory.recent.clear()
        if what != "nothing":
            LEFT[what](bench)
        assert (told_here(repository, bench.git("rev-parse", "HEAD").strip()) is None) == (what != "nothing")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 20))])
async def test_lines_are_counted_as_a_minimal_diff_does(seed: int) -> None:
    """Against the longest common subsequence, over texts of few lines that differ in little."""
    chance, told = Random(seed), 0
    for _ in range(2_000):
        old = [chance.choice([b"a\n", b"b\n", b"ab\n", b"\n", b"aab\n"]) for _ in range(chance.randint(0, 7))]
        at, few = chance.randint(0, len(old)), chance.randint(0, 2)
        new = [
            *old[:at],
            *(chance.choice([b"a\n", b"c\n", b"ca\n"]) for _ in range(chance.randint(0, 2))),
            *old[at + few :],
        ]
        for lines in (old, new):
            if lines and chance.random() < 0.3:
                lines[-1] = lines[-1].strip() or b"x"
        try:
            counted = fresh._counted(b"".join(old), b"".join(new))
        except fresh._Unlike:
            continue
        told += 1
        alike = common(old, new)
        assert counted == (len(new) - alike, len(old) - alike), (old, new)
    assert told > 1_000


def common(old: list[bytes], new: list[bytes]) -> int:
    row = [0] * (len(new) + 1)
    for line in old:
        above = row
        row = [0]
        for at, other in enumerate(new):
            row.append(above[at] + 1 if line == other else max(above[at + 1], row[at]))
    return row[-1]


async def test_a_commit_of_much_is_left_to_git(bench: Bench, tmp_path: Path) -> None:
    async with opened(bench, tmp_path) as repository:
        bench.write("src/app.py", "".join(f"{number}\n" for number in range(fresh.ROOM // 4)))
        bench.git("commit", "-q", "-a", "-m", "Large")
        assert not await compared(bench, repository)
        os.makedirs(bench.root / "many")
        for number in range(fresh.FILES + 1):
            bench.write(f"file-{number}", "1\n")
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", "Many")
        assert not await compared(bench, repository)


async def test_a_cut_history_is_left_to_git(bench: Bench, tmp_path: Path) -> None:
    bench.write("README.md", "# First\n")
    bench.git("commit", "-q", "-a", "-m", "First")
    (bench.root / ".git/shallow").write_text(bench.git("rev-parse", "HEAD"))
    async with opened(bench, tmp_path) as repository:
        bench.write("README.md", "# Second\n")
        bench.git("commit", "-q", "-a", "-m", "Second")
        assert not await compared(bench, repository)


async def test_a_commit_below_thousands_of_folders_is_gits_to_tell(bench: Bench) -> None:
    def nested(blob: str) -> str:
        tree = bench.git("mktree", stdin=f"100644 blob {blob}\tf\n").strip()
        for _ in range(1_500):
            data = b"40000 a\0" + bytes.fromhex(tree)
            whole = b"tree %d\0" % len(data) + data
            tree = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
            place = bench.root / f".git/objects/{tree[:2]}/{tree[2:]}"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(zlib.compress(whole))
        return tree

    parent = "HEAD"
    for text in ("one\n", "two\n"):
        blob = bench.git("hash-object", "-w", "--stdin", stdin=text).strip()
        parent = bench.git("commit-tree", "-m", text.strip(), "-p", parent, nested(blob)).strip()
        bench.git("update-ref", "refs/heads/main", parent)
        assert (await bench.call("git_log", limit=2)).items[0].subject == text.strip()
