"""`astro-mcp call`: for people, for programs, with hostile text, and with what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.home import PATIENCE, SHIM, SLEEP, Home, until

from astro_mcp.cli.link import Failure, Link
from astro_mcp.store.connection import Row

from .terminal import environment, on_terminal, run

A = '{"path": "a.txt"}'
SLEEPING = json.dumps(SLEEP)


def calls(at: Home, tool: str) -> list[Row]:
    """What the audit trail has of the tool, oldest first; nothing before the daemon is ready."""
    return at.calls(tool) if at.owner.get("socket") else []


def test_people_read_text_and_programs_one_json_object(shared: Home) -> None:
    told = run(shared, "call", "fs_read", "--args", A)
    assert (told.status, told.err) == (0, "")
    assert told.out.endswith("\nhello\n")
    structured = run(shared, "call", "fs_read", "--args", A, "--json")
    assert (structured.status, structured.err) == (0, "")
    assert (structured.json["text"], structured.json["total_lines"]) == ("hello\n", 1)
    assert list(structured.json) == sorted(structured.json), "the order of keys is fixed"


def test_arguments_come_from_stdin_where_a_dash_says_so(shared: Home) -> None:
    assert run(shared, "call", "fs_read", "--args", "-", given=A).out.endswith("hello\n")
    assert run(shared, "call", "fs_read", "--args", "-", given="").status == 2


def test_a_root_is_taken_from_the_option_and_else_from_the_folder(shared: Home, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("other\n")
    done = run(shared, "call", "fs_read", "--root", str(tmp_path), "--args", '{"path": "b.txt"}')
    assert done.out.endswith("other\n")


@pytest.mark.parametrize("args", ["{", "[]", "[" * 100_000], ids=["half", "list", "deep"])
def test_arguments_that_are_no_json_object_are_a_fault_of_usage(shared: Home, args: str) -> None:
    done = run(shared, "call", "fs_read", "--args", "-", given=args)
    assert done.status == 2
    assert "--args" in done.err
    assert """hint: for example --args '{"path": "README.md"}'""" in done.err
    told = run(shared, "call", "fs_read", "--json", "--args", "-", given=args)
    assert (told.status, told.json["error"]["code"]) == (2, "invalid_input")


def test_an_unknown_tool_is_told_with_the_nearest_name(shared: Home) -> None:
    done = run(shared, "call", "fs_raed")
    assert (done.status, done.out) == (1, "")
    assert done.err == "not_found no tool is named 'fs_raed'\nhint: did you mean fs_read?\n"
    assert run(shared, "call", "fs_raed", "--json").json["error"] == {
        "code": "not_found",
        "message": "no tool is named 'fs_raed'",
        "hint": "did you mean fs_read?",
        "retryable": False,
    }


def test_a_tools_error_is_told_in_words_or_in_the_one_form_of_errors(shared: Home) -> None:
    done = run(shared, "call", "fs_read", "--args", '{"pth": "a.txt"}')
    assert (done.status, done.out) == (1, "")
    assert "pth unknown argument → path" in done.err
    error = run(shared, "call", "fs_read", "--args", '{"pth": "a.txt"}', "--json").json["error"]
    assert error["problems"] == [{"path": "pth", "reason": "unknown argument", "suggestion": "path"}]


def test_a_long_error_is_not_broken_into_lines_by_the_width_of_no_terminal(shared: Home) -> None:
    done = run(shared, "call", "fs_read", "--args", json.dumps({"path": "/etc/" + "long/" * 40}))
    assert done.status == 1
    assert all(line.startswith(("path_denied", "hint:")) for line in done.err.splitlines()), done.err


@pytest.mark.parametrize("show", [run, on_terminal])
def test_escapes_in_a_files_content_reach_the_reader_as_text(shared: Home, show: Any) -> None:
    out = show(shared, "call", "fs_read", "--args", '{"path": "hostile.txt"}').out
    assert r"plain\x1b[31mred\x1b[0m\x1b]0;title\x07\u202edesrever\x9b2J" in out
    assert not {"\x07", "\u202e", "\x9b"} & set(out)
    assert "\x1b]" not in out
    assert "\x1b[31m" not in out


def test_escapes_in_a_files_name_reach_the_reader_as_text(shared: Home) -> None:
    out = run(shared, "call", "fs_list", "--args", '{"path": "."}').out
    assert r"bad\x1b[31mname.txt" in out
    assert "\x1b" not in out
    denied = run(shared, "call", "fs_read", "--args", json.dumps({"path": "gone\x1b[31m\u202e"}))
    assert denied.status == 1
    assert r"gone\x1b[31m\u202e" in denied.err
    assert "\x1b" not in denied.err


def test_json_is_ascii_so_that_no_terminal_can_be_told_anything_by_it(shared: Home) -> None:
    out = run(shared, "call", "fs_read", "--args", '{"path": "hostile.txt"}', "--json").out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)["text"].startswith("plain\x1b[31m")


def test_a_terminal_whose_alphabet_is_ascii_gets_escapes(shared: Home) -> None:
    (shared.project / "cafe.txt").write_text("café\n")
    done = run(shared, "call", "fs_read", "--args", '{"path": "cafe.txt"}', extra={"PYTHONIOENCODING": "ascii"})
    assert done.status == 0
    assert r"caf\xe9" in done.out


def test_markup_in_a_hosts_text_is_text(shared: Home) -> None:
    done = run(shared, "call", "fs_read", "--args", json.dumps({"path": "[red]x[/red].txt"}))
    assert "[red]x[/red].txt" in done.err


@pytest.mark.parametrize(("root", "status", "word"), [("/", 1, "/"), ("/no/such/folder", 2, "--root")])
def test_a_root_that_can_not_be_one_is_told_as_such(shared: Home, root: str, status: int, word: str) -> None:
    done = run(shared, "call", "fs_list", "--root", root)
    assert done.status == status
    assert word in done.err
    assert "--root DIR" in done.err or status == 2
    assert "host's configuration" not in done.err


def test_a_reader_that_went_away_is_no_traceback(shared: Home) -> None:
    with subprocess.Popen(
        [SHIM, "call", "fs_read", "--args", A],
        cwd=shared.project,
        env=environment(shared),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_an_interrupt_ends_with_130_and_cancels_the_call(shared: Home) -> None:
    process = shared.host("call", "code_run", "--args", SLEEPING).process
    until(lambda: calls(shared, "code_run"))
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b""
    until(lambda: calls(shared, "code_run")[-1]["code"] == "cancelled")
    shared.end_hosts()


@pytest.mark.full
def test_a_daemon_killed_in_a_call_is_told_with_status_3_and_the_next_command_starts_another(at: Home) -> None:
    process = at.host("call", "code_run", "--json", "--args", SLEEPING).process
    until(lambda: calls(at, "code_run"))
    first = at.pid
    os.kill(first, signal.SIGKILL)
    assert process.wait(PATIENCE) == 3
    assert process.stdout is not None
    assert json.loads(process.stdout.read())["error"]["message"] == "the daemon went away"
    assert run(at, "call", "fs_read", "--args", A).out.endswith("hello\n")
    assert at.pid != first


def test_progress_and_colour_are_for_a_terminal_and_not_for_a_pipe(shared: Home) -> None:
    args = ["call", "workflow_run", "--args", '{"template": "index-codebase", "allow": ["read", "write"]}']
    seen = on_terminal(shared, *args)
    assert seen.status == 0
    assert "\x1b[?25l" in seen.out, "the cursor is hidden while the line is live"
    assert "\x1b[?25h" in seen.out, "and shown again"
    assert "steps" in seen.out
    piped = run(shared, *args)
    assert (piped.err, "\x1b" in piped.out) == ("", False)
    assert "\x1b[" in on_terminal(shared, "call", "fs_raed").out
    assert "\x1b" not in run(shared, "call", "fs_raed").err


@pytest.mark.parametrize("said", [b"", b'{"jsonrpc": "2.0", "id": 1, "resu'], ids=["nothing", "half a line"])
def test_a_connection_that_breaks_is_unavailable_and_never_a_silent_success(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.close()
        with pytest.raises(Failure) as told:
            Link(ours).call("fs_list", {"path": "x" * 1_000_000})
    assert told.value.exit == 3
