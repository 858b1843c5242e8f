"""`astro-mcp workflow`: check, run, show, picture, answer, control; runs that wait, fail, are left and are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.home import Home, alive, until

from .terminal import Done, run

RUN = re.compile(r"run_[0-9a-f]{32}")
FAILING = """
name: failing
steps:
  - {id: good, tool: fs_list}
  - {id: bad, needs: [good], tool: fs_read, with: {path: nothing.txt}}
  - {id: after, needs: [bad], tool: fs_list}
"""
TREE = """
workspace: worktree
steps:
  - {id: write, tool: fs_write, with: {path: new.txt, content: "new\\n"}}
"""


def run_id(done: Done) -> str:
    found = RUN.search(done.out)
    assert found, (done.out, done.err)
    return found.group()


def waiting(at: Home) -> str:
    done = run(at, "workflow", "run", "story.yaml")
    assert done.status == 0
    return run_id(done)


def answer(at: Home, run: str, step: str, value: str) -> Any:
    return _json(at, "workflow", "answer", run, step, value, "--json")


def end_of(at: Home, run: str) -> str:
    """The status of the run once it has ended."""
    wait = json.dumps({"run_id": run, "wait_seconds": 15})
    return str(_json(at, "call", "workflow_status", "--args", wait, "--json")["status"])


def _json(at: Home, *words: str) -> Any:
    done = run(at, *words)
    assert done.status == 0, done
    return done.json


def test_history_tells_every_event_and_follows_a_run_to_its_end(shared: Home) -> None:
    first = waiting(shared)
    told = run(shared, "workflow", "history", first)
    assert told.status == 0
    assert [line.split()[1] for line in told.out.splitlines()] == ["began"]
    answer(shared, first, "gate", "true")
    answer(shared, first, "tale", '{"markdown": "once"}')
    done = run(shared, "workflow", "history", first, "--follow", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["kind"] for event in events] == ["began", "answered", "answered"]
    assert end_of(shared, first) == "succeeded"
    missing = run(shared, "workflow", "history", "run_" + "0" * 32)
    assert missing.status != 0
    assert "there is no run" in missing.err


def test_check_prints_the_plan_of_a_template_a_file_and_stdin(shared: Home) -> None:
    done = run(shared, "workflow", "check", "index-codebase")
    assert done.status == 0
    assert "- index: kb_index\n- search: kb_search after index" in done.out
    assert run(shared, "workflow", "check", "story.yaml", "--json").json["valid"] is True
    assert run(shared, "workflow", "check", "-", given=FAILING).status == 0


def test_check_tells_every_problem_and_ends_with_1(shared: Home) -> None:
    wrong = "name: x\nsteps:\n  - {id: a, tool: fs_raed}\n  - {id: b, tool: fs_list, with: {pth: x}}\n"
    done = run(shared, "workflow", "check", "-", given=wrong)
    assert done.status == 1
    assert "fs_read" in done.out
    assert "steps[1]" in done.out
    told = run(shared, "workflow", "check", "-", "--json", given=wrong)
    assert told.status == 1
    assert len(told.json["problems"]) >= 2


def test_a_picture_is_drawn_of_a_run_a_template_and_a_document(shared: Home) -> None:
    run_of = waiting(shared)
    done = run(shared, "workflow", "picture", run_of)
    assert (done.status, done.out[:5], done.out[-7:]) == (0, "<svg ", "</svg>\n")
    assert "waiting" in done.out
    assert run(shared, "workflow", "picture", "index-codebase", "--mermaid").out.startswith("flowchart TB\n")
    told = run(
        shared, "workflow", "picture", "-", "--json", given="steps: [{id: inner, workflow: index-codebase}]"
    ).json
    assert told["mimeType"] == "image/svg+xml"
    assert "kb_index" in told["text"], "what is inside of a template that a step runs"


def test_no_picture_is_drawn_of_what_is_none(shared: Home) -> None:
    wrong = run(shared, "workflow", "picture", "-", "--json", given="steps: [{id: a, tool: fs_raed}]")
    assert wrong.status == 1
    assert wrong.json["error"]["problems"][0]["suggestion"] == "tool: fs_read"


def test_inputs_are_json_where_they_are_and_text_else(shared: Home) -> None:
    good = ["--input", 'paths=["a.txt"]', "--input", "question=What is it?"]
    assert run(shared, "workflow", "check", "index-codebase", *good).status == 0
    wrong = run(shared, "workflow", "check", "index-codebase", "--input", "pats=[]")
    assert wrong.status == 1
    assert "pats" in wrong.out
    assert run(shared, "workflow", "check", "index-codebase", "--input", "pats").status == 2
    for text in ("[" * 10_000, "1" * 5000):
        told = run(shared, "workflow", "check", "index-codebase", "--input", f"pats={text}")
        assert (told.status, "pats" in told.out) == (1, True), "text, too, what JSON can't be read of"


@pytest.mark.parametrize(("what", "word"), [("nope", "index-codebase"), ("nope.yaml", "No such file")])
def test_a_document_that_is_not_there_is_told_with_what_there_is(shared: Home, what: str, word: str) -> None:
    done = run(shared, "workflow", "run", what)
    assert done.status == 1
    assert word in done.err
    assert "Errno" not in done.err


def test_a_folder_of_a_templates_name_does_not_hide_the_template(shared: Home, tmp_path: Path) -> None:
    (tmp_path / "index-codebase").mkdir()
    assert run(shared, "workflow", "check", "index-codebase", folder=tmp_path).status == 0


def test_a_run_that_may_too_little_is_told_the_option_that_allows_it(shared: Home) -> None:
    done = run(shared, "workflow", "run", "index-codebase")
    assert done.status == 1
    assert "kb_index needs write" in done.err
    [option] = re.findall(r"--allow [a-z,]+", done.err)
    assert run(shared, "workflow", "run", "index-codebase", *option.split()).status == 0


def test_run_prints_each_step_as_it_ends_and_then_the_outputs(shared: Home) -> None:
    done = run(shared, "workflow", "run", "index-codebase", "--allow", "read,write")
    assert (done.status, done.err) == (0, "")
    first, index, search, end, *outputs = done.out.splitlines()
    assert RUN.fullmatch(first)
    assert re.fullmatch(r"✓ +\d+\.\d\d s  index +kb_index", index)
    assert re.fullmatch(r"✓ +\d+\.\d\d s  search +kb_search", search)
    assert end == "succeeded"
    assert "failed: 0" in outputs
    told = run(shared, "workflow", "run", "index-codebase", "--allow", "read,write", "--json")
    assert told.json["status"] == "succeeded"
    assert [step["id"] for step in told.json["steps"]] == ["index", "search"]


def test_a_run_that_fails_ends_with_1_and_says_where(shared: Home) -> None:
    done = run(shared, "workflow", "run", "-", given=FAILING)
    assert done.status == 1
    assert re.search(r"✗.*bad.*fs_read.*not_found", done.out)
    assert re.search(r"·.*after", done.out)
    assert "\nfailed\n" in done.out
    told = run(shared, "workflow", "run", "-", "--json", given=FAILING)
    assert (told.status, told.json["status"]) == (1, "failed")


def test_a_run_that_waits_prints_the_commands_that_answer_it_and_they_work(shared: Home) -> None:
    done = run(shared, "workflow", "run", "story.yaml")
    assert done.status == 0
    assert "waits for approve gate (level operator): Go on?" in done.out
    command = next(line.split() for line in done.out.splitlines() if line.endswith("gate true"))
    assert command[0] == "astro-mcp"
    approved = run(shared, *command[1:])
    assert approved.status == 0, "the gate takes an operator's word, and a person at the terminal is one"
    assert "ask tale" in approved.out
    wrong = run(shared, "workflow", "answer", run_id(done), "tale", '{"markdwn": "x"}')
    assert wrong.status == 1
    told = answer(shared, run_id(done), "tale", '{"markdown": "once upon"}')
    assert told["status"] in ("running", "succeeded")
    assert end_of(shared, run_id(done)) == "succeeded"
    assert 'told: "once upon"' in run(shared, "workflow", "show", run_id(done)).out


def test_a_gate_for_the_operator_does_not_take_a_hosts_word_and_names_the_command_that_does(shared: Home) -> None:
    identifier = waiting(shared)
    host = shared.host()
    host.begin()
    error = host.call("workflow_answer", {"run_id": identifier, "step": "gate", "value": "true"})
    assert error["structuredContent"]["error"]["code"] == "approval_required"
    assert "astro-mcp workflow answer" in error["structuredContent"]["error"]["hint"]
    shared.end_hosts()
    assert run(shared, "workflow", "answer", identifier, "gate", "false").status == 0
    assert end_of(shared, identifier) == "failed"


@pytest.mark.full
def test_a_run_that_waits_outlives_a_killed_daemon_and_is_answered_after_it(at: Home) -> None:
    identifier = waiting(at)
    answer(at, identifier, "gate", "true")
    first = at.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: not alive(first))
    assert answer(at, identifier, "tale", '{"markdown": "after a death"}')["run_id"] == identifier
    assert end_of(at, identifier) == "succeeded"


def test_an_interrupted_run_goes_on_and_can_be_cancelled(shared: Home) -> None:
    host = shared.host("workflow", "run", "slow.yaml")
    assert host.process.stdout is not None
    identifier = RUN.search(host.process.stdout.readline().decode())
    assert identifier
    host.process.send_signal(signal.SIGINT)
    status, said = host.wait()
    assert status == 130
    assert f"the run goes on: astro-mcp workflow show {identifier.group()}" in said
    assert _json(shared, "workflow", "show", identifier.group(), "--json")["status"] == "running"
    assert _json(shared, "workflow", "control", identifier.group(), "cancel", "--json")["run_id"] == identifier.group()
    assert end_of(shared, identifier.group()) == "cancelled"
    shared.end_hosts()


def test_a_detached_run_prints_its_id_and_is_in_the_list(shared: Home, tmp_path: Path) -> None:
    root = ("--root", str(tmp_path))
    assert run(shared, "workflow", "list", *root).out == "no runs in this workspace\n"
    assert _json(shared, "workflow", "list", "--json", *root) == {"items": []}
    identifier = _json(shared, "workflow", "run", "story.yaml", "--detach", "--json", *root)["run_id"]
    [listed] = _json(shared, "workflow", "list", "--json", *root)["items"]
    assert (listed["run_id"], listed["name"]) == (identifier, "story")
    assert identifier in run(shared, "workflow", "list", *root).out
    paused = _json(shared, "workflow", "control", identifier, "pause", "--json", *root)
    assert paused["status"] in ("paused", "waiting")


def test_a_run_of_another_workspace_is_not_found(shared: Home) -> None:
    identifier = waiting(shared)
    other = shared.project.parent / "other"
    other.mkdir()
    done = run(shared, "workflow", "show", identifier, "--root", str(other), "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "not_found")
    assert run(shared, "workflow", "show", "run_" + "0" * 32, "--json").json["error"]["code"] == "not_found"


def test_a_run_in_a_worktree_tells_the_branch_and_how_to_merge_it(shared: Home, tmp_path: Path) -> None:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for command in (("init", "-q", "-b", "main"), (*who, "commit", "-q", "--allow-empty", "-m", "Begin")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "tree.yaml").write_text(TREE)
    done = run(shared, "workflow", "run", "tree.yaml", "--allow", "read,write,destroy", folder=tmp_path)
    assert done.status == 0, done
    assert f"to have it: git merge astro/{run_id(done)}" in done.out
    shown = subprocess.run(
        ["git", "show", f"astro/{run_id(done)}:new.txt"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert (shown.stdout, (tmp_path / "new.txt").exists()) == ("new\n", False)
