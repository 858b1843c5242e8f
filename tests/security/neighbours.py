"""Two hosts with different roots on one daemon, one of which has everything that a host can have."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.daemon.home import Home, Host

SECRET = "the launch code is zebra-quartz-7741"
DOCUMENT = {"name": "mine", "steps": [{"id": "look", "tool": "fs_list", "with": {"path": "."}}]}
ASKING = {"name": "asks", "steps": [{"id": "word", "ask": "Say the word", "answer": {"word": "string"}}]}
WRITING = {
    "name": "writes",
    "steps": [{"id": "put", "tool": "fs_write", "with": {"path": "ran.txt", "content": SECRET}}],
}
VAULT = {"title": "Where the seed vault is", "text": "The vault lies beneath the glass mountain."}
TREASURE = f"treasure = {SECRET!r}; open('treasure.txt', 'w').write(treasure)"
PRIVATE = ("undo", "run", "asking", "wrote", "artifact", "note", "vault", "cursor", "page", "hits", "log", "uri")
"""What of `Hosts.have` is a key to something, and not a word that others may use as well."""


@dataclass
class Hosts:
    """Host A with everything that a host can have, and host B with another root."""

    a: Host
    b: Host
    project: Path
    have: dict[str, str] = field(default_factory=dict)


def furnished(at: Home, other: Path) -> Hosts:
    """Both hosts, begun; what A has is noted by kind."""
    for root, text, commits in ((at.project, "only for A", 200), (other, "nothing to see", 1)):
        (root / "both.txt").write_text(f"{text}\n" * 4000)
        history(root, text, commits)
    for number in range(3000):
        (at.project / f"file-{number:04}-{'x' * 60}.txt").write_text("")
    (at.project / "plan.md").write_text(f"# Plan\n\n{SECRET}\n")
    found = Hosts(at.host(), at.host("--root", str(other)), at.project)
    for host in (found.a, found.b):
        host.begin()
    have = found.have
    have["undo"] = good(found.a, "fs_write", path="mine.txt", content=SECRET)["undo_id"]
    have["cursor"] = good(found.a, "fs_list", path=".")["next_cursor"]
    have["page"] = good(found.a, "fs_read", path="both.txt")["next_cursor"]
    have["hits"] = good(found.a, "fs_search", path="both.txt", pattern="o")["next_cursor"]
    have["log"] = good(found.a, "git_log")["next_cursor"]
    have["uri"] = good(found.a, "astro_read", uri="astro://files/both.txt")["next_cursor"]
    have["artifact"] = whole(found.a, "fs_list", path=".")
    have["run"] = good(found.a, "workflow_run", spec=json.dumps(DOCUMENT), wait_seconds=20)["run_id"]
    have["asking"] = good(found.a, "workflow_run", spec=json.dumps(ASKING), wait_seconds=20)["run_id"]
    writes = {"spec": json.dumps(WRITING), "allow": ["read", "write", "destroy"], "wait_seconds": 20}
    have["wrote"] = good(found.a, "workflow_run", **writes)["run_id"]
    have["file"], have["collection"], have["branch"] = "plan.md", "workspace", "only-for-A"
    good(found.a, "code_run", language="python", session="treasury", code=TREASURE)
    have["vault"] = good(found.a, "kb_remember", **VAULT)["id"]
    have["tag"] = "launch-day"
    have["note"] = good(found.a, "kb_remember", title="Launch", text=SECRET, tags=[have["tag"]])["id"]
    good(found.a, "kb_index", paths=["plan.md"])
    return found


def history(root: Path, text: str, commits: int) -> None:
    """A branch that is named by the text, and commits that fill more than a page where there are many."""
    branch = text.replace(" ", "-")
    subprocess.run(["git", "init", "-q", "-b", branch], cwd=root, check=True)
    each = f"commit refs/heads/{branch}\ncommitter a <a@b> 0 +0000\ndata {len(text)}\n{text}\n"
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, check=True, input=each.encode() * commits)


def good(host: Host, tool: str, **arguments: Any) -> dict[str, Any]:
    """What the tool gives; it has to work."""
    result = host.call(tool, arguments)
    assert not result.get("isError"), result["content"]
    structured: dict[str, Any] = result["structuredContent"]
    return structured


def whole(host: Host, tool: str, **arguments: str) -> str:
    """The address of the artifact that a cut result was kept as."""
    result = host.call(tool, arguments)
    return str(result["_meta"]["astro/whole"]).removeprefix("astro://artifacts/")


def refusal(host: Host, tool: str, **arguments: Any) -> dict[str, Any]:
    """The error that the tool gives; it must not work."""
    result = host.call(tool, arguments)
    assert result.get("isError"), f"{tool} answered: {result['content']}"
    error: dict[str, Any] = result["structuredContent"]["error"]
    return error
