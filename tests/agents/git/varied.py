"""A repository with everything that a history can hold, always the same; or a real one that the environment names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa")
NAMES = (
    *(b"plain.txt", b"dir/inner.py", b"dir/deep/er.py", b"with space.txt", b'quo"te.txt', b"tab\there.txt"),
    *("\u00fcber/\u65e5\u672c.txt".encode(), b"latin\xe9.txt", b"-dash.txt", b":(top)x.txt", b"star*.txt", b"crlf.txt"),
    *(b"bin.dat", b"empty", b"no-end.txt", b"back\\slash.txt", b"new\nline.txt"),
)
COMMITS = 60


def clone_or_make(folder: Path, large: int) -> Path:
    """A clone of the repository that `ASTRO_GIT_REPOSITORY` names, else one made up, with a blob of `large` bytes."""
    given = os.environ.get("ASTRO_GIT_REPOSITORY")
    if given:
        subprocess.run(["git", "clone", "-q", given, str(folder)], check=True)
        return folder
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    stream = b"".join(_stream(large))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, check=True)
    subprocess.run(["git", "reset", "-q", "--hard"], cwd=folder, check=True)
    return folder


def _stream(large: int) -> Iterator[bytes]:
    chance = Random(7)
    files = {name: _lines(chance, 30) for name in NAMES}
    for number in range(COMMITS):
        branch = b"side" if number % 10 in (6, 7) else b"main"
        yield b"commit refs/heads/%s\nmark :%d\n" % (branch, number + 1)
        yield b"author J\xc3\xb6rg <j@example.com> %d +0530\n" % (1_500_000_000 + number * 977)
        yield b"committer C <c@example.com> %d -0700\n" % (1_500_000_000 + number * 1009)
        if number == 5:
            yield b"encoding ISO-8859-1\n"
        message = b"Caf\xe9\n\nbody" if number == 5 else b"Change %d\n\nWhy: %d" % (number, chance.randrange(100))
        yield b"data %d\n" % len(message) + message + b"\n"
        if number % 10 == 6 and number > 6:
            yield b"from :%d\n" % number
        elif number == 6:
            yield b"from :6\n"
        if number % 10 == 8:
            yield b"from :%d\nmerge :%d\n" % (number - 2, number)
        yield from _changes(chance, number, files, large)


def _changes(chance: Random, number: int, files: dict[bytes, list[bytes]], large: int) -> Iterator[bytes]:
    once = _once(files, large if number == 25 else 6)
    if number in once:
        yield once[number]
    elif number == 20:
        yield b"R dir moved\n"
        for name in [name for name in files if name.startswith(b"dir/")]:
            files[name.replace(b"dir/", b"moved/")] = files.pop(name)
    else:
        for name in chance.sample(sorted(files), 3):
            files[name][chance.randrange(30)] = b"%s %d" % (chance.choice(WORDS).encode(), number)
            yield _file(name, _content(name, files[name]))
    yield b"\n"


def _once(files: dict[bytes, list[bytes]], large: int) -> dict[int, bytes]:
    """Commits that do something of their own; 40 changes nothing."""
    links = b"M 120000 inline link\n" + _data(b"plain.txt") + b"M 160000 %s sub\n" % (b"1" * 40)
    same = _data(_content(b"plain.txt", files[b"plain.txt"]))
    return {
        0: b"".join(_file(name, _content(name, lines)) for name, lines in files.items()) + links,
        25: b"M 100644 inline large.bin\n" + _data(b"large\n" * (large // 6)),
        30: b"D link\nM 100644 inline link\n" + _data(b"a file now\n"),
        31: b"M 160000 %s sub\n" % (b"2" * 40),
        32: b"D large.bin\n",
        33: b"M 100755 inline plain.txt\n" + same,
        34: b"M 100644 inline .gitattributes\n"
        + _data(b"moved/deep/* -diff\n*.dat binary\n")
        + (b"M 100644 inline .mailmap\n" + _data("Jürgen <jürgen@example.org> <J@Example.com>\n".encode())),
        40: b"",
    }


def _lines(chance: Random, count: int) -> list[bytes]:
    return [" ".join(chance.choices(WORDS, k=4)).encode() for _ in range(count)]


def _content(name: bytes, lines: list[bytes]) -> bytes:
    if name == b"empty":
        return b""
    end = b"\r\n" if name == b"crlf.txt" else b"\n"
    text = end.join(lines) + (b"" if name == b"no-end.txt" else end)
    return b"\0\1" + text if name == b"bin.dat" else text


def _file(name: bytes, data: bytes) -> bytes:
    quoted = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\t", b"\\t")
    return b'M 100644 inline "%s"\n' % quoted + _data(data)


def _data(data: bytes) -> bytes:
    return b"data %d\n" % len(data) + data + b"\n"
