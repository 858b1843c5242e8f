"""What `.gitignore` and `.git/info/exclude` hide from the tools is what they hide from git: generated rules, at the top
and nested."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.agents.git.bench import plain_git

from astro_mcp.workspace.folders import folders
from astro_mcp.workspace.place import Place

FILES = (
    *("a", "b.log", "a.b", "A.LOG", "deep/a", "deep/b.log", "deep/deep/a.b", "deep/deep/deep/a", "other/a/b.log"),
    *(
        "other/a/deep/a.b",
        "#a",
        "!a",
        "sp ace",
        "é.log",
        "[a]",
        "a*b",
        "other/end ",
        "build/a.b",
        "build/deep/b.log",
        "deepen/a",
        "build/deepen/b.log",
    ),
)
"""No two of them differ in case alone."""
FOLDERS = ("", "deep/", "other/", "deep/deep/", "build/deep/")
WORDS = st.sampled_from(
    [
        "a",
        "b",
        "*",
        "**",
        "?",
        "[ab]",
        "[!a]",
        "[a-c]",
        ".log",
        ".b",
        "deep",
        "build",
        "/",
        "/",
        "\\",
        " ",
        "é",
        "#",
        "!",
        *(
            "[[:alpha:]]",
            "[[:foo:]]",
            "[]a]",
            "[a",
            "[^",
            "\\*",
            "[\\]a]",
            "[a-]",
            "[z-a]",
            "[[:digit:]a-c/]",
            "[:a]",
            "\0",
        ),
    ]
)
LINES = st.builds(
    lambda sign, words, end: sign + "".join(words) + end,
    st.sampled_from(["", "", "", "!", "/", "**/", "!/", "\\#", "\\!", "#"]),
    st.lists(WORDS, min_size=1, max_size=4),
    st.sampled_from(["", "", "", "/", "/*", "/**", " ", "\\ "]),
)
PLAIN = st.sampled_from(
    [
        "*.log",
        "!*.log",
        "/a",
        "a",
        "!a",
        "deep/",
        "!deep/",
        "deep/*",
        "!deep/deep/",
        "/*",
        "!/other",
        "*",
        "!*/",
        "!*.b",
    ]
)
TEXTS = st.builds(
    lambda mark, lines, end: mark + end.join([*lines, b""]),
    st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf"]),
    st.lists((PLAIN | LINES).map(str.encode) | st.sampled_from([b"\xe9.log", b"", b"  "]), max_size=6),
    st.sampled_from([b"\n", b"\n", b"\r\n"]),
)
EXCLUDE = ".git/info/exclude"
RULES = st.dictionaries(st.sampled_from((*FOLDERS, EXCLUDE)), TEXTS, min_size=1, max_size=3)


def ours(root: Path) -> set[str]:
    return {
        folder.below(one.name) for folder in folders(Place(root, "")) for one in folder.found if one.type != "folder"
    }


def gits(root: Path) -> set[str]:
    told = plain_git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return {path for path in told.split("\0") if path}


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("examples", [40, pytest.param(2_000, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
async def test_what_is_hidden_is_what_git_ignores(tmp_path: Path, examples: int) -> None:
    root = tmp_path.resolve()
    plain_git(root, "init", "-q")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    hidden = 0

    def _file(place: str) -> Path:
        return root / place if place == EXCLUDE else root / place / ".gitignore"

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
    )
    @given(RULES)
    @example({"": b"\xef\xbb\xbf*.log\r\n"})
    @example({"": b"a\n", "deep/": b"!deep/\n"})
    @example({"": b"deep/**\n!deep/a\n"})
    @example({"": b"deep/*\n!*.log\n"})
    @example({"other/": b"*.log\n!/a**\n"})
    @example({"": b"build/*\n!build/deep/\n", "build/deep/": b"*\n!*.b\n"})
    @example({"": b"a/\n*.log/\ndeep[!x]a\nother[/]a\n"})
    @example({EXCLUDE: b"*.log\n/deep/a\n"})
    @example({EXCLUDE: b"*.log\n", "": b"!b.log\n", "deep/": b"!*.log\n"})
    @example({EXCLUDE: b"!a\n", "": b"a\n"})
    @example({"": b"a \\ \n[[:alpha:]]\nsp ace  \n/*/**/a.?\n"})
    def same(rules: dict[str, bytes]) -> None:
        nonlocal hidden
        for place in (*FOLDERS, EXCLUDE):
            _file(place).unlink(missing_ok=True)
        for place, text in rules.items():
            _file(place).write_bytes(text)
        expected = gits(root)
        assert ours(root) == expected, rules
        hidden += len(expected) < len(FILES)

    await anyio.to_thread.run_sync(same)
    assert hidden > examples // 4
