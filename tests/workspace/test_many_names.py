"""What is asked of many names at once has the same answer as name by name; and spellings, property by property."""

from __future__ import annotations

import unicodedata

import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_mcp.errors import ApprovalRequired, ProtectedPath
from astro_mcp.workspace.guards import ReadGuard, check_write, is_secret
from astro_mcp.workspace.ignore import Ignore, Patterns, matcher
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.wildmatch import FOLDER

SECRETS = [
    ".env",
    ".env.local",
    "prod.env",
    "id_rsa",
    "x.pem",
    ".npmrc",
    "credentials",
    "service-account-1.json",
    "tokens.csv",
]
GUARDED = [".git", ".vscode", "CLAUDE.md", ".mcp.json", ".envrc", "sitecustomize.py", "x.pth"]
PLAIN = ["a.py", "README.md", "keys.py", "id_rsa.pub", ".env.example", "n\nl.txt", "x", "e.n.v", "caf\u00e9.txt"]
FOLDERS = ["", "src", "a/b", ".ssh", "src/.AWS", ".git", "gh", ".config", ".docker", "GIT~1", "deep/.kube/x"]


@st.composite
def spelled(draw: st.DrawFn, names: list[str]) -> str:
    """A name as some file system takes it for one of `names`."""
    name = draw(st.sampled_from(names))
    changes = draw(st.lists(st.sampled_from(["upper", "tail", "stream", "wide", "joiner", "decomposed"]), max_size=3))
    for change in changes:
        at = draw(st.integers(0, len(name)))
        if change == "upper":
            name = name[:at].upper() + name[at:]
        elif change == "tail":
            name += draw(st.sampled_from([".", " ", ". .", "  "]))
        elif change == "stream" and at:
            name += ":stream"
        elif change == "wide":
            name = (
                name[:at]
                + "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name[at : at + 1])
                + name[at + 1 :]
            )
        elif change == "joiner":
            name = name[:at] + draw(st.sampled_from(["\u200d", "\u200b", "\ufeff", "\x01"])) + name[at:]
        else:
            name = unicodedata.normalize("NFD", name)
    return name


@settings(max_examples=60, deadline=None)
@given(name=spelled(GUARDED), folder=st.sampled_from(["", "src/", "a/b/"]))
def test_no_spelling_of_a_guarded_name_is_written(name: str, folder: str) -> None:
    try:
        check_write(f"{folder}{name}", name)
    except (ProtectedPath, ApprovalRequired):
        return
    raise AssertionError(f"{name!r} passed")


@settings(max_examples=60, deadline=None)
@given(name=spelled([".env", "id_rsa", "server.pem", ".npmrc", "terraform.tfstate"]))
def test_no_spelling_of_a_secret_is_read(name: str) -> None:
    assert is_secret(name), repr(name)
    assert is_secret(f"some/where/{name}")


@settings(max_examples=60, deadline=None)
@given(name=spelled(["caf\u00e9", "Stra\u00dfe", "\uff21b", "\u1e9b\u0323", ".git"]))
def test_folding_is_done_once_and_for_all(name: str) -> None:
    assert fold(fold(name)) == fold(name)
    assert fold(unicodedata.normalize("NFD", name)) == fold(unicodedata.normalize("NFC", name))


@settings(max_examples=60, deadline=None)
@given(
    folder=st.sampled_from(FOLDERS),
    names=st.lists(spelled(SECRETS) | st.sampled_from(PLAIN) | st.text(max_size=8), max_size=3),
    readable=st.sampled_from([(), ("*.pem",), ("src/*",)]),
)
def test_what_is_withheld_of_many_is_what_is_withheld_of_each(
    folder: str, names: list[str], readable: tuple[str, ...]
) -> None:
    guard = ReadGuard(readable)
    names = [name.replace("/", "").replace("\0", "") or "x" for name in names]
    each = {name for name in names if guard.withholds(f"{folder}/{name}" if folder else name)}
    assert guard.withheld(folder, names) == each


@pytest.mark.parametrize(
    "name", [".env:x", "ENV~1", ".ENV", ".env.", ".env ", "\uff0eenv", ".e\u200dnv", ".en\x01v", "a_id_rsa", "x.PEM"]
)
def test_each_kind_of_spelling_is_seen_among_many(name: str) -> None:
    assert ReadGuard().withheld("src", ["a.py", name, "b.py"]) == {name}


LINES = st.sampled_from(
    [
        *(
            "*.log",
            "build/",
            "/dist",
            "a/**/b",
            "!keep.log",
            "foo*bar",
            "**/deep/*.py",
            "[ab].txt",
            "x?z",
            "*",
            "!*.py",
        ),
        *("#no", "node_modules", "a b", "\\#x", "caf\u00e9*", "*.t[x-z]t"),
    ]
)
BELOW = ["a.log", "keep.log", "build/", "build", "dist/", "b/", "b", "fooxbar", "a.txt", "xyz", "a b", "#x", "n\nl.log"]


async def test_what_may_be_ignored_of_many_covers_each() -> None:
    @settings(max_examples=60, deadline=None)
    @given(
        outer=st.lists(LINES, max_size=5),
        inner=st.lists(LINES, max_size=3),
        folder=st.sampled_from(["sub", "sub/a", "sub/a/x", "sub/deep"]),
        names=st.lists(st.sampled_from(BELOW), max_size=5),
    )
    def covered(outer: list[str], inner: list[str], folder: str, names: list[str]) -> None:
        patterns = Patterns()
        rules = Ignore().within("", "\n".join(outer).encode(), patterns)
        rules = rules.within("sub", "\n".join(inner).encode(), patterns)
        hidden = [name for name in names if rules.hides(f"{folder}/{name}".rstrip("/"), folder=name.endswith("/"))]
        marked = [name.replace("/", FOLDER) for name in names]
        assert rules.hides_some(folder, marked) or not hidden

    await anyio.to_thread.run_sync(covered)


@settings(max_examples=30, deadline=None)
@given(
    suffix=st.sampled_from([".py", ".min.js", "._x-1"]),
    path=st.lists(
        st.sampled_from(["a", "b.py", ".py", "c.min.js", "d._x-1", "py", "e.PY"]), min_size=1, max_size=3
    ).map("/".join),
)
def test_a_glob_of_a_suffix_fits_as_git_has_it(suffix: str, path: str) -> None:
    assert matcher(f"*{suffix}")(path) == matcher(f"**/*{suffix}")(path)
