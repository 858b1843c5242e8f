"""Two hosts with different roots on one daemon: what one has, the other gets the answer of a missing one for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.daemon.home import Host, home
from tests.security.neighbours import PRIVATE, SECRET, VAULT, Hosts, furnished, good, refusal, whole

LOOK = "import os; print('treasure' in globals(), os.path.exists('treasure.txt'))"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("two")
    other = folder / "other"
    other.mkdir()
    with home(folder) as at:
        yield furnished(at, other)


def missing(kind: str) -> str:
    """What never was, in the form of the kind."""
    never = {"artifact": "0" * 64, "file": "gone.md", "collection": "nothing", "undo": f"undo_{'0' * 32}"}
    return never.get(kind, f"run_{'0' * 32}")


BY_ID = [
    ("undo", "fs_undo", {"undo_id": "ID"}),
    ("wrote", "fs_undo", {"run_id": "ID"}),
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


CURSORS = [
    ("cursor", "fs_list", {"path": "."}),
    ("page", "fs_read", {"path": "both.txt"}),
    ("hits", "fs_search", {"path": "both.txt", "pattern": "o"}),
    ("log", "git_log", {}),
    ("uri", "astro_read", {"uri": "astro://files/both.txt"}),
]


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


def test_what_the_server_tells_of_itself_tells_the_other_host_nothing(hosts: Hosts) -> None:
    uris = [item["uri"] for item in hosts.b.ask("resources/list")["result"]["resources"]]
    names = [agent["name"] for agent in json.loads(read(hosts.b, "astro://agents"))["agents"]]
    assert len(uris) >= 3
    assert len(names) >= 9
    assert "treasury" in read(hosts.a, "astro://agents/code"), "its owner is told of its sessions"
    own = (SECRET, "treasury", str(hosts.project), hosts.have["branch"], *(hosts.have[kind] for kind in PRIVATE))
    for uri in (*uris, *(f"astro://agents/{name}" for name in names)):
        assert not [word for word in own if word in read(hosts.b, uri)], uri


def test_a_session_of_the_same_name_is_another_for_the_other_host(hosts: Hosts) -> None:
    asked = {"language": "python", "session": "treasury", "code": LOOK}
    assert good(hosts.b, "code_run", **asked)["stdout"] == "False False\n"
    assert good(hosts.a, "code_run", **asked)["stdout"] == "True True\n"


def test_a_note_like_one_of_the_other_host_is_like_none(hosts: Hosts) -> None:
    again = {**VAULT, "title": "Of the vault", "text": f"{VAULT['text']} It is cold there."}
    assert hosts.have["vault"] in [note["id"] for note in good(hosts.a, "kb_remember", **again)["similar_existing"]]
    assert good(hosts.b, "kb_remember", **again)["similar_existing"] == []


def read(host: Host, uri: str) -> str:
    return str(host.ask("resources/read", {"uri": uri})["result"]["contents"][0]["text"])


def test_the_last_change_of_the_other_host_is_not_the_one_that_is_undone(hosts: Hosts) -> None:
    assert refusal(hosts.b, "fs_undo", last=True)["code"] == "not_found"
    assert (hosts.project / "mine.txt").read_text() == SECRET


RESOURCE, PROMPT = "ref/resource", "ref/prompt"
COMPLETIONS = [
    ({"type": RESOURCE, "uri": "astro://runs/{run_id}"}, "run_id", "run_", "run"),
    ({"type": PROMPT, "name": "resume_run"}, "run_id", "run_", "asking"),
    ({"type": RESOURCE, "uri": "astro://files/{+path}"}, "path", "pl", "file"),
    ({"type": RESOURCE, "uri": "astro://knowledge/{collection}"}, "collection", "w", "collection"),
    ({"type": PROMPT, "name": "review_changes"}, "from", "only", "branch"),
    ({"type": PROMPT, "name": "remember"}, "tags", "l", "tag"),
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


PATHS: list[tuple[str, dict[str, Any]]] = [
    ("fs_read", {"path": "PATH"}),
    ("fs_read", {"paths": ["PATH"]}),
    ("fs_list", {"path": "PATH"}),
    ("fs_search", {"path": "PATH", "pattern": "zebra"}),
    ("fs_write", {"path": "PATH", "create_only": True, "content": "x"}),
    ("fs_edit", {"edits": [{"path": "PATH", "old": "zebra", "new": "x"}]}),
    ("fs_move", {"path": "PATH", "to": "stolen.md"}),
    ("fs_move", {"path": "both.txt", "to": "PATH"}),
    ("fs_delete", {"path": "PATH"}),
    ("git_status", {"repo": "PATH"}),
    ("git_log", {"path": "PATH"}),
    ("kb_index", {"paths": ["PATH"]}),
    ("lint_check", {"paths": ["PATH"]}),
    ("lint_fix", {"paths": ["PATH"]}),
    ("lint_audit", {"path": "PATH"}),
    ("test_run", {"path": "PATH"}),
    ("code_run", {"language": "python", "paths": ["PATH"], "code": "1"}),
    ("artifact_save", {"uri": "astro://artifacts/OWN", "path": "PATH"}),
    ("astro_read", {"uri": "astro://files/PATH"}),
]


@pytest.mark.parametrize(("tool", "arguments"), PATHS, ids=[tool for tool, _ in PATHS])
def test_a_path_of_the_other_hosts_root_answers_as_one_that_never_was(
    hosts: Hosts, tool: str, arguments: dict[str, Any]
) -> None:
    own, blank = whole(hosts.b, "fs_read", path="both.txt"), []
    for name in ("plan.md", "gone.md", ""):
        path = str(hosts.project / name)
        given = json.loads(json.dumps(arguments).replace("PATH", path).replace("OWN", own))
        blank.append(json.dumps(hosts.b.call(tool, given)).replace(path, "PATH"))
    assert "path_denied" in blank[0]
    assert blank == [blank[0]] * 3
    assert (hosts.project / "plan.md").read_text() == f"# Plan\n\n{SECRET}\n"
    assert not (hosts.project / "gone.md").exists()


def test_after_all_of_this_the_owners_things_are_as_they_were(hosts: Hosts) -> None:
    assert good(hosts.a, "workflow_status", run_id=hosts.have["asking"])["status"] == "waiting"
    assert (hosts.project / "mine.txt").read_text() == SECRET
    good(hosts.a, "fs_undo", undo_id=hosts.have["undo"])
    assert not (hosts.project / "mine.txt").exists()
    assert (hosts.project / "ran.txt").read_text() == SECRET
    good(hosts.a, "fs_undo", run_id=hosts.have["wrote"])
    assert not (hosts.project / "ran.txt").exists()
