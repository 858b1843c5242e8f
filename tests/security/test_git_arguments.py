"""Any path, ref and pathspec: an answer or a typed error, and nothing outside is read, written or run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.agents.git.bench import dispatching
from tests.security.outside import Outside
from tests.security.trap import OUTSIDE

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call, Result

PIECES = (
    *(
        "a.txt",
        ".",
        "..",
        "...",
        ".git",
        ".GIT",
        ".git ",
        "git~1",
        ".g\u200cit",
        "out",
        "in",
        "dir",
        "",
        " ",
        "-",
        "--",
    ),
    *("--output=stolen", "-p", ":(top)", ":(attr:x)", ":!a.txt", ":/", "*", "**", "?", "[a]", "~", "~root", "C:", "\\"),
    *("HEAD", "main", "refs", "heads", "@", "@{u}", "^{tree}", "HEAD~1", "HEAD^2", "\n", "\0", "\t", "\u202e", "\xff"),
    *("\ud800", "\udcff", "secret.txt", "outside", "a" * 300, "config", "hooks", "x;touch ran", "$(touch ran)", "|"),
)
NAMES = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("/".join),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join),
    st.text(max_size=40),
)


@dataclass
class Door:
    """A repository with links that lead out, and the tools on it."""

    root: Path
    watch: Outside
    call: Callable[[str, dict[str, Any]], Result]


@pytest.fixture
def door(tmp_path: Path, begun: Path) -> Iterator[Door]:
    root, outside = (tmp_path / "root").resolve(), (tmp_path / "outside").resolve()
    shutil.copytree(begun, root)
    outside.mkdir()
    (outside / "secret.txt").write_text(f"{OUTSIDE}\n")
    (root / "out").symlink_to(outside)
    (root / "in").symlink_to("dir")
    (root / "dir").mkdir()
    (root / "dir/a.txt").write_text("x\n")
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(dispatching(tmp_path)) as dispatcher:
        made = Door(
            root, Outside(outside), lambda tool, given: portal.call(dispatcher.call, Call(session, tool, given))
        )
        made.watch.watch()
        yield made


def asks(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("git_show", {"ref": name}),
        ("git_show", {"path": name}),
        ("git_show", {"path": name, "blame": True}),
        ("git_log", {"ref": name}),
        ("git_log", {"path": name, "limit": 2}),
        ("git_log", {"author": name, "grep": name}),
        ("git_diff", {"from": name}),
        ("git_diff", {"from": "HEAD~1", "to": name}),
        ("git_diff", {"paths": [name, "a.txt"], "stat_only": True}),
        ("git_status", {"repo": name}),
        ("git_branch", {"name": name}),
        ("git_commit", {"message": "m", "paths": [name], "dry_run": True}),
    ]


@pytest.mark.parametrize("examples", [8, pytest.param(150, marks=pytest.mark.full)])
def test_any_name_is_answered_or_refused_with_a_code(door: Door, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(NAMES)
    @example("\ud800")
    @example("\0")
    @example("out/secret.txt")
    @example("../outside/secret.txt")
    def answered(name: str) -> None:
        for tool, arguments in asks(name):
            result = door.call(tool, arguments)
            said = (result.error or result.unwrap()).text()
            assert result.error is None or result.error.code != "internal", f"{tool} {arguments!r}: {said}"
            assert OUTSIDE not in said, f"{tool} {arguments!r}"
        assert door.watch.touched() == [], repr(name)
        assert not list(door.root.glob("**/ran")), repr(name)
        assert not list(door.root.glob("**/stolen*")), repr(name)

    answered()
