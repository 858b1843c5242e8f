"""The server without a network, loopback included: every tool that hosts see does its work through the daemon, and
those that need the web say that nobody could be reached."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest

from .home import SHIM, Home, Host

UNPLUGGED = ("unshare", "--map-root-user", "--net")
LOGIN = "def check_password(word: str) -> bool:\n    return hash(word) == 4\n"
TESTED = """import unittest

from login import check_password


class Login(unittest.TestCase):
    def test_login(self) -> None:
        self.assertFalse(check_password("x"))
"""
LINTED = "import os\n"
FLOW = {"name": "count", "steps": [{"id": "one", "tool": "code_run", "with": {"code": "print(40 + 2)"}}]}
ASKED = {"name": "ask", "steps": [{"id": "word", "ask": "Which?", "answer": {"it": "string"}}]}


def can_unplug() -> bool:
    if shutil.which(UNPLUGGED[0]) is None:
        return False
    return subprocess.run([*UNPLUGGED, "true"], capture_output=True, timeout=10, check=False).returncode == 0


@dataclass
class Asking:
    """A host, and the tools that it has called."""

    host: Host
    called: set[str] = field(default_factory=set)

    def good(self, tool: str, **arguments: Any) -> Any:
        """What a call gives that has to succeed."""
        self.called.add(tool)
        result = self.host.call(tool, arguments)
        assert not result.get("isError"), (tool, result["content"])
        return result["structuredContent"]

    def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error of a call that cannot succeed."""
        self.called.add(tool)
        result = self.host.call(tool, arguments)
        assert result.get("isError"), (tool, result["structuredContent"])
        return dict(result["structuredContent"]["error"])


def git(at: Home, *words: str) -> str:
    own = ["-c", "user.name=a", "-c", "user.email=a@a.example"]
    done = subprocess.run(["git", "-C", str(at.project), *own, *words], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def host(at: Home) -> Asking:
    """A host whose shim, and so its daemon, stands in a network namespace with nothing in it."""
    (at.project / "login.py").write_text(LOGIN)
    (at.project / "test_login.py").write_text(TESTED)
    (at.project / "messy.py").write_text(LINTED)
    git(at, "init", "-q", "-b", "main")
    git(at, "add", "-A")
    git(at, "commit", "-q", "-m", "one")
    started = at.host(command=(*UNPLUGGED, SHIM))
    assert started.begin()["result"]
    here, there = (os.readlink(f"/proc/{pid}/ns/net") for pid in ("self", at.pid))
    assert here != there, "the daemon has no network of this machine's"
    return Asking(started)


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.skipif(not can_unplug(), reason="this machine lets nobody make a network namespace")
def test_without_a_network_every_tool_of_the_daemon_works_or_says_why_not(at: Home, host: Asking) -> None:
    listed = {tool["name"] for tool in host.host.ask("tools/list")["result"]["tools"]}
    began = at.pid
    files(host)
    history(host)
    executed(host)
    workflows(host)
    knowledge(host)
    web(host)
    assert host.called >= listed, sorted(listed - host.called)
    assert at.pid == began, "the daemon that began is still there"


def files(host: Asking) -> None:
    assert host.good("fs_read", path="login.py")["text"] == LOGIN
    assert len(host.good("fs_list")["items"]) >= 1
    assert host.good("fs_search", pattern="check_password")["total"] >= 2
    written = host.good("fs_write", path="new.txt", content="one\n")
    host.good("fs_edit", edits=[{"path": "new.txt", "old": "one", "new": "two"}])
    host.good("fs_move", path="new.txt", to="moved.txt")
    gone = host.good("fs_delete", path="moved.txt")
    assert written["undo_id"] != gone["undo_id"]
    host.good("fs_undo", undo_id=gone["undo_id"])
    assert host.good("fs_read", path="moved.txt")["text"] == "two\n"


def history(host: Asking) -> None:
    assert host.good("git_status")["untracked"] == ["moved.txt"]
    assert host.good("git_log")["items"][0]["subject"] == "one"
    host.good("git_branch", name="aside", action="create")
    host.good("git_branch", name="aside", action="switch")
    host.good("git_diff")
    assert host.good("git_commit", message="two", paths=["moved.txt"])["sha"]
    host.good("git_show", ref="HEAD")
    host.good("git_branch", name="main", action="switch")
    host.good("git_merge_preview", **{"from": "aside"})
    merged = host.good("git_merge", **{"from": "aside"})
    host.good("git_undo", recovery_ref=merged["recovery_ref"])


def executed(host: Asking) -> None:
    assert host.good("code_run", code="print(6 * 7)")["stdout"].strip() == "42"
    tested = host.good("test_run", path="test_login.py", runner="unittest")
    assert (tested["counts"]["passed"], tested["counts"]["failed"]) == (1, 0)
    found = host.good("lint_check", paths=["messy.py"], tools=["ruff"])
    known = [row["rule"] for row in found["items"]] == ["F401"]  # an image with it may be here from an earlier day
    assert known or "name resolution" in found["missing_tools"][0]["reason"]
    fixed = host.good("lint_fix", paths=["messy.py"], tools=["ruff"])
    assert known == (not fixed["missing_tools"])
    assert host.good("astro_read", uri=found["sarif_uri"])["text"]
    assert host.good("artifact_save", uri=found["sarif_uri"], path="found.sarif")["sha256"]
    told = host.told("code_run", code="1", packages=["attrs==0.0.1"])
    assert (told["code"], "could not be reached" in told["hint"]) == ("provider_failed", True)


def workflows(host: Asking) -> None:
    assert host.good("workflow_check", spec=json.dumps(FLOW))["valid"]
    done = host.good("workflow_run", spec=json.dumps(FLOW), allow=["read", "execute"], wait_seconds=60)
    assert done["status"] == "succeeded"
    asked = host.good("workflow_run", spec=json.dumps(ASKED), allow=["read"], wait_seconds=20)
    assert host.good("workflow_status", run_id=asked["run_id"], wait_seconds=0)["status"] == "waiting"
    host.good("workflow_answer", run_id=asked["run_id"], step="word", value='{"it": "this"}')
    again = host.good("workflow_control", run_id=done["run_id"], action="fork")
    assert host.good("workflow_status", run_id=again["run_id"], wait_seconds=60)["status"] == "succeeded"


def knowledge(host: Asking) -> None:
    indexed = host.good("kb_index")
    assert (indexed["failed"], indexed["pending_embeddings"]) == ([], 0)
    found = host.good("kb_search", query="is this person's credential correct", kinds=["code"])
    assert (found["items"][0]["source"], found.get("notice", "")) == ("login.py", "")
    note = host.good("kb_remember", title="Login", text="Passwords are hashed with scrypt.")
    assert host.good("kb_search", query="how are passwords kept", kinds=["note"])["items"][0]["title"] == "Login"
    assert host.good("kb_list", kinds=["note"])["items"]
    assert host.good("kb_forget", ids=[note["id"]])["removed"] == 1


def web(host: Asking) -> None:
    searched = host.told("web_search", query="bees in winter")
    assert "no search provider answered" in searched["message"]
    read = host.told("web_fetch", url="https://example.com/")
    host.good("fs_write", path="requirements.txt", content="attrs==25.1.0\n")
    audited = host.told("lint_audit", path=".")
    for told in (searched, read, audited):
        assert (told["code"], told["retryable"], "is online" in told["hint"]) == ("provider_failed", True, True)
