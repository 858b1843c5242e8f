"""What changes a repository, as a host sees it: over stdio, in a daemon that is killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import plain_git
from tests.daemon.home import Home, Host, home

NO_ENGINE = '[sandbox]\nengine = "unix:///nonexistent/docker.sock"\n'


@pytest.fixture
def at(tmp_path: Path, begun: Path) -> Iterator[Home]:
    with home(tmp_path) as made:
        made.folder.mkdir(mode=0o700)
        (made.folder / "config.toml").write_text(NO_ENGINE)
        shutil.copytree(begun, made.project, dirs_exist_ok=True)
        yield made


def call(host: Host, tool: str, **arguments: Any) -> Any:
    result = host.call(tool, arguments)
    assert not result["isError"], result["content"]
    return result["structuredContent"]


def begun_host(at: Home) -> Host:
    host = at.host()
    host.begin()
    return host


@pytest.mark.full
def test_hunks_a_switch_a_merge_and_an_undo_after_a_kill(at: Home) -> None:
    root = at.project
    app = root / "src/app.py"
    app.write_text(app.read_text().replace("return 1", "return 11").replace("return 2", "return 22"))
    readme = root / "README.md"
    readme.write_text("# Other\n")
    host = begun_host(at)
    call(host, "git_branch", name="fix")
    call(host, "git_branch", action="switch", name="fix")
    hunk = next(hunk for hunk in call(host, "git_diff")["hunks"] if hunk["path"] == "src/app.py")
    call(host, "git_commit", hunk_ids=[hunk["id"]], message="One hunk")
    assert plain_git(root, "status", "--porcelain").splitlines() == [" M README.md"]
    plain_git(root, "checkout", "README.md")
    there = call(host, "git_branch", action="switch", name="main")
    assert there["files"] == ["src/app.py"]
    (root / "new.txt").write_text("new\n")
    call(host, "git_commit", message="Meanwhile")
    told = call(host, "git_merge_preview", **{"from": "fix"})
    assert (told["outcome"], told["conflicts"]) == ("merge", [])
    before = plain_git(root, "rev-parse", "HEAD").strip()
    made = call(host, "git_merge", **{"from": "fix"})
    assert "return 11" in app.read_text()
    os.kill(at.pid, signal.SIGKILL)
    at.end_hosts()
    host = begun_host(at)
    back = call(host, "git_undo", recovery_ref=made["recovery_ref"])
    assert (back["before"], back["after"]) == (made["sha"], before)
    assert "return 11" not in app.read_text()
    assert plain_git(root, "status", "--porcelain", "-b").strip() == "## main"
    assert plain_git(root, "rev-parse", "HEAD").strip() == before
