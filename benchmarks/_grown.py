"""What the workspace benchmark works on: a repository of thousands of commits and a large tree, always the same."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

COMMITS: Final = 5_000
FILES: Final = 240
FOLDERS: Final = 1_200
EACH: Final = 35
"""Files of a folder of the tree: 42,000 in all."""
LARGE: Final = "pkg_000/module_000.py"
"""A file of about 65 KB, of which most commits change a line."""


def repository(folder: Path) -> None:
    """Make it by `git fast-import`: Python modules, a change of one to three of them a commit, a merge in twenty."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=b"".join(_stream()), check=True)
    git(folder, "reset", "-q", "--hard")


def tree(folder: Path) -> None:
    """42,000 small files, some of them Python."""
    for number in range(FOLDERS):
        place = folder / f"area_{number // 40:02}" / f"part_{number:04}"
        place.mkdir(parents=True)
        for each in range(EACH):
            suffix = "py" if each % 7 == 0 else "txt"
            (place / f"file_{each:02}.{suffix}").write_bytes(b"x = 1\n")


def git(folder: Path, *arguments: str) -> str:
    """Plain git's answer."""
    ran = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout


def _stream() -> Iterator[bytes]:
    chance = Random(5)
    files = {_path(number): _module(number, 1_500 if number == 0 else 40) for number in range(FILES)}
    for number in range(COMMITS):
        side = number % 20 == 18
        yield f"commit refs/heads/{'side' if side else 'main'}\nmark :{number + 1}\n".encode()
        who, moment = f"Dev {number % 9} <dev{number % 9}@example.com>", 1_600_000_000 + number * 600
        yield f"committer {who} {moment} +0000\n".encode()
        yield _data(f"Change {number}: {' '.join(chance.choices(WORDS, k=6))}\n")
        if side:
            yield f"from :{number}\n".encode()
        if number % 20 == 19:
            yield f"from :{number - 1}\nmerge :{number}\n".encode()
        for path in files if number == 0 else _touched(chance):
            lines = files[path]
            if number:
                lines[chance.randrange(len(lines))] = f"    value_{number} = {chance.randrange(10**9)}\n"
            yield f"M 100644 inline {path}\n".encode() + _data("".join(lines))
        yield b"\n"


WORDS: Final = ("parse", "cache", "request", "of", "the", "handler", "faster", "fix", "session", "add", "test", "index")


def _touched(chance: Random) -> set[str]:
    first = [LARGE] if chance.random() < 0.1 else []
    return {*first, *(_path(chance.randrange(1, FILES)) for _ in range(chance.randint(1, 3)))}


def _path(number: int) -> str:
    return f"pkg_{number // 12:03}/module_{number:03}.py"


def _module(number: int, count: int) -> list[str]:
    return [f"def function_{line}(argument: int) -> int:  # {number}\n" for line in range(count)]


def _data(text: str) -> bytes:
    data = text.encode()
    return b"data %d\n" % len(data) + data + b"\n"
