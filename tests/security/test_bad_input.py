"""Bad input through the door that hosts use: each a typed error with a code, and nothing in the workspace changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.home import Home, Host, home


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("bad")) as made:
        furnish(made.project)
        made.host().begin()
        yield made


@pytest.fixture
def host(at: Home) -> Host:
    return at.hosts[0]


def furnish(project: Path) -> None:
    outside = project.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("outside")
    (project / "a.txt").write_text("inside\n")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=project, check=True)
    (project / "link").symlink_to(outside / "secret.txt")
    (project / "folder").symlink_to(outside)
    os.link(outside / "secret.txt", project / "hard.txt")
    os.mkfifo(project / "pipe")
    (project / ".env").write_text("TOKEN=hunter2\n")
    for name in ("hostile", "filtered", "extended", "borrowing"):
        subprocess.run(["git", "init", "-q", "-b", "main", name], cwd=project, check=True)
        (project / name / "a.txt").write_text("inside\n")
    run = outside / "run.sh"
    run.write_text(f"#!/bin/sh\ntouch {outside}/ran\ncat\n")
    run.chmod(0o755)
    configure(project / "hostile", "core.fsmonitor", str(run))
    (project / "hostile/.git/hooks").mkdir(exist_ok=True)
    (project / "hostile/.git/hooks/pre-commit").symlink_to(run)
    configure(project / "filtered", "filter.evil.clean", str(run))
    (project / "filtered/.gitattributes").write_text("*.txt filter=evil\n")
    configure(project / "extended", "extensions.evil", "true")
    (project / "borrowing/.git/objects/info/alternates").write_text(f"{outside}\n")
    (project / "named").mkdir()
    (project / "named/.git").write_text(f"gitdir: {outside}\n")


def configure(repository: Path, key: str, value: str) -> None:
    subprocess.run(["git", "config", "--file", repository / ".git/config", key, value], check=True)


def picture(project: Path) -> dict[str, str]:
    """Every file of the project and of what lies beside it, by digest."""
    found = {}
    for path in sorted(project.parent.rglob("*")):
        if path.is_file() and not path.is_relative_to(project.parent / "home"):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def steps(*items: dict[str, Any]) -> str:
    return json.dumps({"name": "bad", "steps": list(items)})


BAD = [
    ("fs_read", {"path": "../outside/secret.txt"}, "path_denied"),
    ("fs_read", {"path": "/etc/passwd"}, "path_denied"),
    ("fs_read", {"path": "link"}, "path_denied"),
    ("fs_read", {"path": "folder/secret.txt"}, "path_denied"),
    ("fs_read", {"path": "a\0.txt"}, "invalid_input"),
    ("fs_read", {"path": ".env"}, "protected_path"),
    ("fs_read", {"path": "pipe"}, "path_denied"),
    ("fs_read", {"path": "nothing.txt"}, "not_found"),
    ("fs_write", {"path": "../outside/new.txt", "content": "x"}, "path_denied"),
    ("fs_write", {"path": "link", "content": "x"}, "path_denied"),
    ("fs_write", {"path": "hard.txt", "content": "x"}, "path_denied"),
    ("fs_write", {"path": "pipe", "content": "x"}, "path_denied"),
    ("fs_write", {"path": ".git/hooks/pre-commit", "content": "x"}, "protected_path"),
    ("fs_write", {"path": ".GIT/config", "content": "x"}, "protected_path"),
    ("fs_write", {"path": "GIT~1/config", "content": "x"}, "protected_path"),
    ("fs_write", {"path": ".github/workflows/ci.yml", "content": "x"}, "approval_required"),
    ("fs_write", {"path": "CLAUDE.md", "content": "x"}, "approval_required"),
    ("fs_write", {"path": "a.txt", "if_match": "0" * 64, "content": "x"}, "conflict"),
    ("fs_move", {"path": "a.txt", "to": ".git/hooks/pre-commit"}, "protected_path"),
    ("fs_move", {"path": "a.txt", "to": "../outside/a.txt"}, "path_denied"),
    ("fs_move", {"path": "hard.txt", "to": "soft.txt"}, "path_denied"),
    ("fs_move", {"path": "a.txt", "to": "b\0.txt"}, "invalid_input"),
    ("fs_move", {"path": "a\0.txt", "to": "b.txt"}, "invalid_input"),
    ("fs_edit", {"edits": [{"path": "hard.txt", "old": "outside", "new": "x"}]}, "path_denied"),
    ("fs_edit", {"edits": [{"path": "link", "old": "outside", "new": "x"}]}, "path_denied"),
    ("fs_edit", {"edits": [{"path": "a\0.txt", "old": "inside", "new": "x"}]}, "invalid_input"),
    ("fs_delete", {"path": ".git"}, "protected_path"),
    ("fs_delete", {"path": "hard.txt"}, "path_denied"),
    ("fs_delete", {"path": "folder/secret.txt"}, "path_denied"),
    ("fs_delete", {"path": "a\0.txt"}, "invalid_input"),
    ("fs_undo", {"undo_id": "undo_" + "0" * 32}, "not_found"),
    ("fs_search", {"pattern": "(", "regex": True}, "invalid_input"),
    ("fs_read", {"path": ["a.txt"], "start_line": "many"}, "invalid_input"),
    ("fs_read", {"pth": "a.txt"}, "invalid_input"),
    ("git_log", {"ref": "--output=stolen"}, "invalid_input"),
    ("git_status", {"repo": "../outside"}, "path_denied"),
    ("git_status", {"repo": "named"}, "path_denied"),
    ("git_status", {"repo": "borrowing"}, "path_denied"),
    ("git_status", {"repo": "extended"}, "unsupported"),
    ("git_commit", {"repo": "filtered", "message": "m"}, "unsupported"),
    ("code_run", {"language": "perl", "code": "1"}, "invalid_input"),
    ("code_run", {"language": "python", "packages": ["--index-url=http://evil"], "code": "1"}, "invalid_input"),
    ("code_run", {"language": "python", "packages": ["git+https://evil/x"], "code": "1"}, "invalid_input"),
    ("code_run", {"language": "python", "paths": ["../outside"], "code": "1"}, "path_denied"),
    ("web_fetch", {"url": "http://127.0.0.1:8080/"}, "forbidden"),
    ("web_fetch", {"url": "http://localhost/"}, "forbidden"),
    ("web_fetch", {"url": "http://169.254.169.254/latest/meta-data/"}, "forbidden"),
    ("web_fetch", {"url": "http://[::ffff:127.0.0.1]/"}, "forbidden"),
    ("web_fetch", {"url": "http://2130706433/"}, "invalid_input"),
    ("web_fetch", {"url": "file:///etc/passwd"}, "invalid_input"),
    ("astro_read", {"uri": "astro://files/../outside/secret.txt"}, "path_denied"),
    ("astro_read", {"uri": "file:///etc/passwd"}, "not_found"),
    ("workflow_run", {"spec": steps({"id": "a", "tool": "fs_raed"})}, "invalid_input"),
    ("workflow_run", {"spec": steps({"id": "a", "tool": "fs_read", "with": {"pth": "x"}})}, "invalid_input"),
    ("workflow_run", {"spec": "{not json"}, "invalid_input"),
    (
        "workflow_run",
        {"spec": steps({"id": "a", "tool": "fs_write", "with": {"path": "x", "content": "y"}})},
        "invalid_input",
    ),
    ("workflow_run", {"template": "no-such-template"}, "not_found"),
]


@pytest.mark.parametrize(("tool", "arguments", "code"), BAD)
def test_bad_input_is_a_typed_error_and_changes_nothing(
    at: Home, host: Host, tool: str, arguments: dict[str, Any], code: str
) -> None:
    before = picture(at.project)
    result = host.call(tool, arguments)
    assert result["isError"], result["content"]
    error = result["structuredContent"]["error"]
    assert error["code"] == code, error
    assert error["message"]
    assert error["code"] in result["content"][0]["text"]
    assert "hunter2" not in json.dumps(result)
    assert picture(at.project) == before


ROUND = steps(
    {"id": "a", "tool": "fs_read", "with": {"path": "${{ steps.b.path }}"}},
    {"id": "b", "tool": "fs_read", "with": {"path": "${{ steps.a.path }}"}},
)
NOBODY = steps({"id": "a", "tool": "fs_read", "with": {"path": "${{ steps.nobody.path }}"}})


@pytest.mark.parametrize(("spec", "words"), [(ROUND, ("a → b → a", "b → a → b")), (NOBODY, ("nobody",))])
def test_a_workflow_that_waits_for_itself_or_for_nobody_is_refused_with_the_names(
    at: Home, host: Host, spec: str, words: tuple[str, ...]
) -> None:
    before = host.call("workflow_status", {})["structuredContent"]
    error = host.call("workflow_run", {"spec": spec})["structuredContent"]["error"]
    assert error["code"] == "invalid_input"
    assert any(word in problem["reason"] for word in words for problem in error["problems"])
    assert host.call("workflow_status", {})["structuredContent"] == before, "no run was made"


GROWS, NESTED, LONG = "['a']" + ".map(a,a+a)" * 28, "(" * 400 + "1" + ")" * 400, "['a']" + ".map(a,a)" * 200


@pytest.mark.parametrize(("expression", "code"), [(NESTED, "invalid_input"), (LONG, "invalid_input"), (GROWS, "")])
def test_a_hostile_expression_is_a_typed_error_and_its_step_does_not_begin(
    at: Home, host: Host, expression: str, code: str
) -> None:
    """What can be seen without evaluating it is refused; what has to be tried ends its run."""
    before = picture(at.project)
    write = {"id": "a", "if": f"size({expression}) > 0", "tool": "fs_write", "with": {"path": "b.txt", "content": "x"}}
    asked = {"allow": ["read", "write", "destroy"], "wait_seconds": 60, "spec": steps(write)}
    ran = host.call("workflow_run", asked)["structuredContent"]
    if code:
        assert ran["error"]["code"] == code
    else:
        assert ran["status"] == "failed"
        [step] = host.call("workflow_status", {"run_id": ran["run_id"]})["structuredContent"]["steps"]
        assert (step["status"], step["error"].split(":")[0]) == ("failed", "expression_limit")
    assert picture(at.project) == before


def test_programs_that_a_repository_configures_are_not_run(at: Home, host: Host) -> None:
    repository, ran = at.project / "hostile", at.project.parent / "outside" / "ran"
    subprocess.run(["git", "status"], cwd=repository, check=True, capture_output=True)
    assert ran.exists(), "plain git runs them"
    ran.unlink()
    before = picture(at.project)
    status = host.call("git_status", {"repo": "hostile"})
    assert status["structuredContent"]["untracked"] == ["a.txt"]
    assert picture(at.project) == before
    made = host.call("git_commit", {"repo": "hostile", "message": "m"})
    assert not made["isError"], made["content"]
    after = picture(at.project)
    assert str(ran) not in after
    assert after.items() >= {path: digest for path, digest in before.items() if "/hostile/.git/" not in path}.items()
    kept = ("config", "hooks/pre-commit")
    assert [after[f"{repository}/.git/{name}"] for name in kept] == [
        before[f"{repository}/.git/{name}"] for name in kept
    ]


def test_a_workflow_with_many_faults_is_told_all_of_them_at_once(host: Host) -> None:
    spec = steps(
        {"id": "a", "tool": "fs_read", "with": {"path": "${{ steps.c.text }}"}},
        {"id": "b", "tool": "fs_raed", "needs": ["a"]},
        {"id": "c", "tool": "fs_list", "with": {"path": "${{ steps.nobody.path }}"}, "needs": ["a"]},
        {"id": "b", "tool": "fs_list"},
    )
    checked = host.call("workflow_check", {"spec": spec})["structuredContent"]
    told = json.dumps(checked["problems"], ensure_ascii=False)
    assert not checked["valid"]
    assert "a → c → a" in told or "c → a → c" in told, "the cycle is named"
    for word in ("fs_read", "nobody", "fs_raed"):
        assert word in told


@pytest.fixture(scope="module", params=["shim", "serve --in-process"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host's process of either kind: what is written here goes through its real stdin."""
    with home(tmp_path_factory.mktemp("stdin")) as made:
        (made.project / "a.txt").write_text("inside\n")
        host = made.host(*([] if request.param == "shim" else request.param.split()))
        host.begin()
        yield host


def still_works(server: Host) -> bool:
    return bool(server.call("fs_read", {"path": "a.txt"})["structuredContent"]["text"] == "inside\n")


@pytest.mark.parametrize(
    "line",
    [b"this is no JSON", b'{"jsonrpc": "2.0", "id": 1', b"\xff\xfe\x00", b"[" * 100_000, b"}{" * 1000],
    ids=["words", "half", "no UTF-8", "deep", "braces"],
)
def test_what_is_no_json_on_standard_input_is_answered_and_the_next_request_works(server: Host, line: bytes) -> None:
    server.write(line + b"\n")
    said = server.answer()
    assert (said["id"], said["error"]["code"]) == (None, -32700)
    assert still_works(server)


@pytest.mark.parametrize("id_first", [True, False])
def test_an_argument_of_50_mb_on_standard_input_is_too_large_and_the_next_request_works(
    server: Host, id_first: bool
) -> None:
    method = b'"method": "tools/call", "params": {"name": "fs_write", "arguments": {"path": "big.txt", "content": "'
    before, after = (
        (b'{"jsonrpc": "2.0", "id": 7, ', b'"}}}') if id_first else (b"{", b'"}}, "id": 7, "jsonrpc": "2.0"}')
    )
    server.write(before + method)
    for _ in range(50):
        server.write(b"x" * 1_000_000)
    server.write(after + b"\n")
    said = server.answer()
    assert (said["id"], said["error"]["data"]["error"]["code"]) == (7, "too_large")
    assert still_works(server)
    assert server.call("fs_list", {})["structuredContent"]["total"] == 1, "nothing was written"


def test_an_argument_of_8_mb_is_bounded_by_the_call_and_not_by_the_line(server: Host) -> None:
    error = server.call("fs_write", {"path": "big.txt", "content": "x" * 8_500_000})["structuredContent"]["error"]
    assert error["code"] == "too_large"
    assert still_works(server)


def test_the_server_still_answers(host: Host) -> None:
    assert host.call("fs_read", {"path": "a.txt"})["structuredContent"]["text"] == "inside\n"
