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
    for root, text in ((at.project, "only for A"), (other, "nothing to see")):
        (root / "both.txt").write_text(f"{text}\n" * 4000)
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
    have["page"] = good(found.a, "fs_read", path="both.txt")["next_cursor"]
    have["artifact"] = whole(found.a)
    have["run"] = good(found.a, "workflow_run", spec=json.dumps(DOCUMENT), wait_seconds=20)["run_id"]
    have["asking"] = good(found.a, "workflow_run", spec=json.dumps(ASKING), wait_seconds=20)["run_id"]
    have["file"], have["collection"] = "plan.md", "workspace"
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
    """What never was, in the form of the kind."""
    never = {"artifact": "0" * 64, "file": "gone.md", "collection": "nothing", "undo": f"undo_{'0' * 32}"}
    return never.get(kind, f"run_{'0' * 32}")


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


READ = [
    ("run", "astro://runs/ID"),
    ("run", "astro://runs/ID/steps/look"),
    ("artifact", "astro://artifacts/ID"),
    ("file", "astro://files/ID"),
    ("collection", "astro://knowledge/ID"),
]


@pytest.mark.parametrize(("kind", "uri"), READ)
def test_a_resource_of_the_other_host_reads_as_one_that_never_was(hosts: Hosts, kind: str, uri: str) -> None:
    own = uri.replace("ID", hosts.have[kind])
    assert hosts.a.ask("resources/read", {"uri": own})["result"]["contents"][0]["text"], "its owner reads it"
    assert good(hosts.a, "astro_read", uri=own)["text"]
    blank = []
    for given in (hosts.have[kind], missing(kind)):
        asked = {"uri": uri.replace("ID", given)}
        answers = hosts.b.ask("resources/read", asked)["error"], refusal(hosts.b, "astro_read", **asked)
        assert [answers[0]["data"]["error"]["code"], answers[1]["code"]] == ["not_found"] * 2
        blank.append(json.dumps(answers).replace(given, "ID"))
    assert blank[0] == blank[1]


def test_the_owner_gets_what_the_other_does_not(hosts: Hosts) -> None:
    assert good(hosts.a, "workflow_status", run_id=hosts.have["run"])["status"] == "succeeded"
    assert any(SECRET in item["text"] for item in good(hosts.a, "kb_search", query="launch code zebra")["items"])


CURSORS = [("cursor", "fs_list", {"path": "."}), ("page", "fs_read", {"path": "both.txt"})]


@pytest.mark.parametrize(("kind", "tool", "arguments"), CURSORS)
def test_a_cursor_of_the_other_host_answers_as_one_that_never_was(
    hosts: Hosts, kind: str, tool: str, arguments: dict[str, str]
) -> None:
    cursor = hosts.have[kind]
    never = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    foreign, unknown = (refusal(hosts.b, tool, **arguments, cursor=each) for each in (cursor, never))
    assert foreign == unknown
    assert foreign["code"] == "not_found"
    assert "only for A" not in json.dumps(good(hosts.b, tool, **arguments))
    assert json.dumps(good(hosts.a, tool, **arguments, cursor=cursor)) != json.dumps(good(hosts.a, tool, **arguments))


LISTS: list[tuple[str, dict[str, Any], str]] = [
    ("workflow_status", {}, "run"),
    ("workflow_status", {}, "asking"),
    ("kb_search", {"query": "launch code zebra quartz"}, "note"),
    ("kb_search", {"query": "launch code zebra quartz"}, "file"),
    ("fs_list", {"path": ".", "glob": "*.md"}, "file"),
    ("fs_search", {"pattern": "zebra"}, "file"),
]


@pytest.mark.parametrize(("tool", "arguments", "kind"), LISTS)
def test_a_list_or_search_shows_its_owner_what_it_shows_nobody_else(
    hosts: Hosts, tool: str, arguments: dict[str, Any], kind: str
) -> None:
    assert hosts.have[kind] in json.dumps(hosts.a.call(tool, arguments))
    shown = json.dumps(hosts.b.call(tool, arguments))
    assert not hosts.b.call(tool, arguments)["isError"]
    assert "zebra-quartz" not in shown
    assert not any(value in shown for value in (*hosts.have.values(), "mine.txt"))


@pytest.mark.parametrize("method", ["resources/list", "resources/templates/list", "prompts/list", "tools/list"])
def test_what_is_listed_for_everybody_is_the_same_for_both(hosts: Hosts, method: str) -> None:
    assert hosts.a.ask(method) == hosts.b.ask(method)


def test_the_last_change_of_the_other_host_is_not_the_one_that_is_undone(hosts: Hosts) -> None:
    assert refusal(hosts.b, "fs_undo", last=True)["code"] == "not_found"
    assert (hosts.project / "mine.txt").read_text() == SECRET


RESOURCE, PROMPT = "ref/resource", "ref/prompt"
COMPLETIONS = [
    ({"type": RESOURCE, "uri": "astro://runs/{run_id}"}, "run_id", "run_", "run"),
    ({"type": PROMPT, "name": "resume_run"}, "run_id", "run_", "asking"),
    ({"type": RESOURCE, "uri": "astro://files/{+path}"}, "path", "pl", "file"),
    ({"type": RESOURCE, "uri": "astro://knowledge/{collection}"}, "collection", "w", "collection"),
]


@pytest.mark.parametrize(("reference", "name", "typed", "kind"), COMPLETIONS)
def test_completions_offer_their_owner_what_they_offer_nobody_else(
    hosts: Hosts, reference: dict[str, str], name: str, typed: str, kind: str
) -> None:
    asked = {"ref": reference, "argument": {"name": name, "value": typed}}
    own, foreign = (
        host.ask("completion/complete", asked)["result"]["completion"]["values"] for host in (hosts.a, hosts.b)
    )
    assert hosts.have[kind] in own
    assert foreign == []


def test_nobody_is_offered_artifacts_or_steps(hosts: Hosts) -> None:
    for uri, name in (("astro://artifacts/{sha256}", "sha256"), ("astro://runs/{run_id}/steps/{step}", "step")):
        asked = {"ref": {"type": RESOURCE, "uri": uri}, "argument": {"name": name, "value": ""}}
        for host in (hosts.a, hosts.b):
            assert host.ask("completion/complete", asked)["result"]["completion"]["values"] == []


@pytest.mark.parametrize("tool", ["fs_read", "fs_list", "fs_delete", "lint_check", "git_status"])
def test_a_path_of_the_other_hosts_root_is_denied(hosts: Hosts, tool: str) -> None:
    name = {"lint_check": "paths", "git_status": "repo"}.get(tool, "path")
    assert refusal(hosts.b, tool, **{name: str(hosts.project / "plan.md")})["code"] == "path_denied"
    assert (hosts.project / "plan.md").exists()


def test_the_other_hosts_file_is_not_published_to_it_by_its_whole_path(hosts: Hosts) -> None:
    path = str(hosts.project / "plan.md")
    assert refusal(hosts.b, "astro_read", uri=f"astro://files/{path}")["code"] == "path_denied"


def test_after_all_of_this_the_owners_things_are_as_they_were(hosts: Hosts) -> None:
    assert good(hosts.a, "workflow_status", run_id=hosts.have["asking"])["status"] == "waiting"
    assert (hosts.project / "mine.txt").read_text() == SECRET
    good(hosts.a, "fs_undo", undo_id=hosts.have["undo"])
    assert not (hosts.project / "mine.txt").exists()
