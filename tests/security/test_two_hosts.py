"""Two hosts with different roots on one daemon: what one has, the other gets the answer of a missing one for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.home import Home, Host, home

SECRET = "the launch code is zebra-quartz-7741"
DOCUMENT = {"name": "mine", "steps": [{"id": "look", "tool": "fs_list", "with": {"path": "."}}]}
ASKING = {"name": "asks", "steps": [{"id": "word", "ask": "Say the word", "answer": {"word": "string"}}]}


@dataclass
class Hosts:
    """Host A with everything that a host can have, and host B with another root."""

    a: Host
    b: Host
    project: Path
    have: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("two")
    other = folder / "other"
    other.mkdir()
    with home(folder) as at:
        yield furnished(at, other)


def furnished(at: Home, other: Path) -> Hosts:
    for number in range(3000):
        (at.project / f"file-{number:04}-{'x' * 60}.txt").write_text("")
    (at.project / "plan.md").write_text(f"# Plan\n\n{SECRET}\n")
    found = Hosts(at.host(), at.host("--root", str(other)), at.project)
    for host in (found.a, found.b):
        host.begin()
    have = found.have
    have["undo"] = good(found.a, "fs_write", path="mine.txt", content=SECRET)["undo_id"]
    listing = good(found.a, "fs_list", path=".")
    have["cursor"] = listing["next_cursor"]
    have["artifact"] = whole(found.a)
    have["run"] = good(found.a, "workflow_run", spec=json.dumps(DOCUMENT), wait_seconds=20)["run_id"]
    have["asking"] = good(found.a, "workflow_run", spec=json.dumps(ASKING), wait_seconds=20)["run_id"]
    have["note"] = good(found.a, "kb_remember", title="Launch", text=SECRET)["id"]
    good(found.a, "kb_index", paths=["plan.md"])
    return found


def good(host: Host, tool: str, **arguments: Any) -> dict[str, Any]:
    result = host.call(tool, arguments)
    assert not result.get("isError"), result["content"]
    structured: dict[str, Any] = result["structuredContent"]
    return structured


def whole(host: Host) -> str:
    """The address of the artifact that a cut result was kept as."""
    result = host.call("fs_list", {"path": "."})
    return str(result["_meta"]["astro/whole"]).removeprefix("astro://artifacts/")


def refusal(host: Host, tool: str, **arguments: Any) -> dict[str, Any]:
    result = host.call(tool, arguments)
    assert result.get("isError"), f"{tool} answered: {result['content']}"
    error: dict[str, Any] = result["structuredContent"]["error"]
    return error


def missing(kind: str) -> str:
    return "0" * 64 if kind == "artifact" else f"{'undo' if kind == 'undo' else 'run'}_{'0' * 32}"


BY_ID = [
    ("undo", "fs_undo", {"undo_id": "ID"}),
    ("run", "workflow_status", {"run_id": "ID"}),
    ("run", "workflow_control", {"run_id": "ID", "action": "cancel"}),
    ("asking", "workflow_answer", {"run_id": "ID", "step": "word", "value": '{"word": "x"}'}),
    ("asking", "workflow_control", {"run_id": "ID", "action": "pause"}),
    ("run", "astro_read", {"uri": "astro://runs/ID"}),
    ("run", "astro_read", {"uri": "astro://runs/ID/steps/look"}),
    ("artifact", "astro_read", {"uri": "astro://artifacts/ID"}),
    ("artifact", "artifact_save", {"uri": "astro://artifacts/ID", "path": "stolen.json"}),
]


@pytest.mark.parametrize(("kind", "tool", "arguments"), BY_ID)
def test_an_id_of_the_other_host_answers_as_one_that_never_was(
    hosts: Hosts, kind: str, tool: str, arguments: dict[str, str]
) -> None:
    foreign, never = (
        refusal(hosts.b, tool, **{key: value.replace("ID", given) for key, value in arguments.items()})
        for given in (hosts.have[kind], missing(kind))
    )
    blank = [
        json.dumps(error).replace(hosts.have[kind], "ID").replace(missing(kind), "ID") for error in (foreign, never)
    ]
    assert blank[0] == blank[1]
    assert foreign["code"] == "not_found"


def test_the_owner_gets_what_the_other_does_not(hosts: Hosts) -> None:
    assert good(hosts.a, "workflow_status", run_id=hosts.have["run"])["status"] == "succeeded"
    assert good(hosts.a, "astro_read", uri=f"astro://artifacts/{hosts.have['artifact']}")["text"]
    assert any(SECRET in item["text"] for item in good(hosts.a, "kb_search", query="launch code zebra")["items"])


def test_a_cursor_of_the_other_host_opens_nothing(hosts: Hosts) -> None:
    assert refusal(hosts.b, "fs_list", path=".", cursor=hosts.have["cursor"])["code"] == "not_found"
    assert good(hosts.a, "fs_list", path=".", cursor=hosts.have["cursor"])["items"]


def test_lists_and_searches_show_nothing_of_the_other_host(hosts: Hosts) -> None:
    shown = [
        good(hosts.b, "workflow_status"),
        good(hosts.b, "kb_search", query="launch code zebra quartz"),
        good(hosts.b, "fs_list"),
        good(hosts.b, "fs_search", pattern="zebra"),
        hosts.b.ask("resources/list")["result"],
        hosts.b.call("astro_read", {"uri": "astro://knowledge/workspace"}),
    ]
    text = json.dumps(shown)
    assert "zebra-quartz" not in text
    assert "plan.md" not in text
    assert not any(value in text for value in hosts.have.values())


def test_completions_offer_nothing_of_the_other_host(hosts: Hosts) -> None:
    for host, wanted in ((hosts.a, True), (hosts.b, False)):
        reference = {"type": "ref/resource", "uri": "astro://runs/{run_id}"}
        asked = {"ref": reference, "argument": {"name": "run_id", "value": "run_"}}
        values = host.ask("completion/complete", asked)["result"]["completion"]["values"]
        assert (hosts.have["run"] in values) is wanted


@pytest.mark.parametrize("tool", ["fs_read", "fs_list", "fs_delete", "lint_check", "git_status"])
def test_a_path_of_the_other_hosts_root_is_denied(hosts: Hosts, tool: str) -> None:
    name = {"lint_check": "paths", "git_status": "repo"}.get(tool, "path")
    assert refusal(hosts.b, tool, **{name: str(hosts.project / "plan.md")})["code"] == "path_denied"
    assert (hosts.project / "plan.md").exists()


def test_the_other_hosts_file_is_not_published_to_it(hosts: Hosts) -> None:
    assert "zebra" in good(hosts.a, "astro_read", uri="astro://files/plan.md")["text"]
    assert refusal(hosts.b, "astro_read", uri="astro://files/plan.md")["code"] == "not_found"
    path = str(hosts.project / "plan.md")
    assert refusal(hosts.b, "astro_read", uri=f"astro://files/{path}")["code"] == "path_denied"


def test_after_all_of_this_the_owners_things_are_as_they_were(hosts: Hosts) -> None:
    assert good(hosts.a, "workflow_status", run_id=hosts.have["asking"])["status"] == "waiting"
    assert (hosts.project / "mine.txt").read_text() == SECRET
    good(hosts.a, "fs_undo", undo_id=hosts.have["undo"])
    assert not (hosts.project / "mine.txt").exists()
