"""Which files attributes may have rewritten: told too broadly rather than too narrowly."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest

from astro_mcp.workspace.git.attributes import ANY, endings


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (b"", ()),
        (b"# *.py text\n\n  \t\n", ()),
        (b"*.png binary\n*.py diff=python linguist-language=Python\n*.md -text\n*.sh !eol\n", ()),
        (b"*.bat  text eol=crlf\n", (b".bat",)),
        (b"\xef\xbb\xbf*.BAT text\r\nMakefile ident\n", (b".bat", b"makefile")),
        (b"/docs/**/*.tar.gz filter=lfs\ndocs/a.txt working-tree-encoding=UTF-16\n", (b".tar.gz", b"a.txt")),
        (b"* text=auto\n", ANY),
        (b"*.[ch] text\n", ANY),
        (b"docs/ text\n", ANY),
        (b"doc? text\n", ANY),
        (b"a\\ b text\n", ANY),
        (b'"a b" text\n', ANY),
        (b"[attr]win text eol=crlf\n*.bat win\n", ANY),
        (b"a\x0btext text\n", (b"a\x0btext",)),
        (None, ANY),
    ],
)
def test_these_rules_mean_files_that_end_so(rules: bytes | None, found: tuple[bytes, ...]) -> None:
    assert endings([rules]) == found
    assert endings([b"*.a text\n", rules]) == (ANY if found == ANY else tuple(sorted({b".a", *found})))


WIDE = ("*", "*.[ab]", "x.?", "d/**", "d/", '"x.a"', "\\x.a")
NARROW = ("*.a", "*.A", "a", "x.a", "d/*.b", "/d/**/y.b", "**/*.c")
ATTRIBUTES = (
    *("text", "text=auto", "eol=lf", "ident", "filter=x", "crlf"),
    *("-text", "!text", "diff", "binary", "export-ignore"),
)
FILES = ("x.a", "X.A", "y.b", "d/x.a", "d/y.b", "d/e/y.b", "d/e/z.c", "a", "d/a", "z")


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 40))])
def test_no_file_is_missed_that_git_has_rewritten(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "d/e").mkdir(parents=True)
    missed = narrow = 0
    for _ in range(10):
        places = chance.sample([".gitattributes", "d/.gitattributes", "d/e/.gitattributes"], 2)
        contents = []
        for place in places:
            lines = [
                f"{chance.choice(WIDE if chance.random() < 0.1 else NARROW)} {' '.join(chance.sample(ATTRIBUTES, 2))}\n"
                for _ in range(2)
            ]
            (tmp_path / place).write_text("".join(lines))
            contents.append("".join(lines).encode())
        asked = [b"text", b"eol", b"crlf", b"ident", b"filter", b"working-tree-encoding"]
        said = subprocess.run(
            [b"git", b"check-attr", b"-z", *asked, b"--", *(name.encode() for name in FILES)],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        ).stdout.split(b"\0")
        rewritten = {
            name
            for name, _, value in zip(said[::3], said[1::3], said[2::3], strict=False)
            if value not in (b"unspecified", b"unset")
        }
        found = endings(contents)
        narrow += found != ANY
        missed += sum(not name.lower().endswith(found) for name in rewritten)
        for place in places:
            (tmp_path / place).unlink()
    assert missed == 0
    assert narrow, "nothing was shown"
