"""The commands around the tools: version, help, usage, daemon, doctor, sandbox, audit."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import stat
import time
from pathlib import Path
from threading import Thread

import pytest
from tests.daemon.home import Home, alive, until

from astro_mcp.__main__ import main
from astro_mcp.cli.parser import parser
from astro_mcp.faces.mcp.peer import PROFILES
from astro_mcp.sandbox import owner
from astro_mcp.shim.hello import hello
from astro_mcp.shim.place import VERSION

from .an_engine import an_engine
from .terminal import Done, on_terminal, run

COMMANDS = ("serve", "call", "doctor", "daemon", "workflow", "sandbox", "audit")
NOWHERE = {"ASTRO_MCP_SANDBOX__ENGINE": "unix:///nonexistent/docker.sock"}


def test_the_version_is_told(shared: Home) -> None:
    done = run(shared, "--version")
    assert (done.status, done.out) == (0, f"astro-mcp {VERSION}\n")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(shared: Home, flag: str) -> None:
    done = run(shared, flag)
    assert done.status == 0
    for command in COMMANDS:
        assert f"\n    {command}" in done.out


def test_each_command_has_help_of_its_own() -> None:
    for words in (["call"], ["doctor"], ["daemon"], ["workflow", "run"], ["sandbox"], ["audit"]):
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([*words, "--help"])
        assert ended.value.code == 0


def options(told: str) -> set[str]:
    """The options that a help text begins lines with."""
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", told, re.MULTILINE))


@pytest.mark.parametrize("words", [["serve", "--help"], ["serve", "--in-process", "--help"], ["serve", "-h"]])
def test_the_help_of_serve_names_the_options_that_it_takes_and_no_others(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert options(told) == {"--help", "--in-process", "--root", "--toolsets", "--profile", "--read-only"}
    assert all(name in told for name in PROFILES), "the help names each profile"
    for option in options(told) - {"--help", "--in-process"}:
        value = "" if option == "--read-only" else "=x"
        hello([option + value], {})


@pytest.mark.parametrize("option", ["--json", "--last=3", "--allow=read", "--help-me"])
def test_serve_refuses_an_option_that_its_help_does_not_name(at: Home, option: str) -> None:
    done = run(at, "serve", "--in-process", option)
    assert (done.status, done.out) == (2, "")
    assert option.partition("=")[0] in done.err
    assert not at.folder.exists() or not (at.folder / "astro.db").exists(), "nothing was opened"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["call"], "required: tool"),
        (["workflow"], "required: ACTION"),
        (["daemon", "restart"], "invalid choice: 'restart'"),
        (["audit", "--last", "-1"], "'-1' is no number"),
        (["audit", "--last", "0"], "'0' is no number"),
        (["audit", "--las", "3"], "unrecognized arguments"),
        (["call", "fs_list", "--jso"], "unrecognized arguments"),
        (["serve"], "--in-process"),
        (["serve", "--root", "."], "--in-process"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_why(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert told in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nonsense"], "invalid choice"),
        (["--dance"], "unknown option '--dance'"),
        (["--root"], "--root needs a value"),
    ],
)
def test_the_process_ends_with_2_as_well(shared: Home, words: list[str], told: str) -> None:
    done = run(shared, *words)
    assert (done.status, done.out) == (2, "")
    assert told in done.err


def test_a_program_is_told_of_a_wrong_command_line_in_json(shared: Home) -> None:
    done = run(shared, "audit", "--last", "many", "--json")
    assert (done.status, done.err) == (2, "")
    assert done.json["error"]["code"] == "invalid_input"
    assert "'many' is no number" in done.json["error"]["message"]


def test_the_daemons_life_as_the_command_line_sees_it(at: Home) -> None:
    none = run(at, "daemon", "status")
    assert none.status == 3
    assert "no daemon runs" in none.out
    assert run(at, "daemon", "status", "--json").json == {"running": False}
    assert run(at, "call", "fs_list").status == 0
    pid = at.pid
    status = run(at, "daemon", "status", "--json")
    assert status.status == 0
    assert (status.json["running"], status.json["pid"], status.json["version"]) == (True, pid, VERSION)
    assert str(pid) in run(at, "daemon", "status").out
    stopped = run(at, "daemon", "stop")
    assert (stopped.status, stopped.out) == (0, f"the daemon with pid {pid} has ended\n")
    assert at.owner == {}, "the command waits until the folder is free"
    until(lambda: not alive(pid))
    again = run(at, "daemon", "stop", "--json")
    assert (again.status, again.json) == (0, {"running": False})


def test_a_data_folder_that_is_open_to_others_is_refused_with_the_line_that_closes_it(at: Home) -> None:
    at.folder.mkdir(mode=0o755)
    at.folder.chmod(0o755)
    for words in (["call", "fs_list"], ["daemon", "status"]):
        done = run(at, *words)
        assert done.status == 3
        assert f"chmod 700 '{at.folder}'" in done.err
    assert stat.S_IMODE(at.folder.stat().st_mode) == 0o755, "nobody's permissions are changed behind their back"
    checks = run(at, "doctor", "--json", extra=NOWHERE).json["checks"]
    assert checks["data"]["fix"].startswith("chmod 700")


@pytest.mark.parametrize("words", [["call", "fs_list"], ["doctor"], ["audit"]])
def test_a_relative_data_folder_is_a_fault_of_usage(shared: Home, words: list[str]) -> None:
    done = run(shared, *words, extra={"ASTRO_MCP_HOME": "relative"})
    assert (done.status, done.out) == (2, "")
    assert "not an absolute path: relative" in done.err


def test_a_data_folder_that_can_not_be_made_is_told_and_no_traceback(shared: Home) -> None:
    extra = {"ASTRO_MCP_HOME": str(shared.project / "a.txt" / "home")}
    assert run(shared, "call", "fs_list", extra=extra).status == 3
    done = run(shared, "doctor", extra={**extra, **NOWHERE})
    assert done.status == 1
    assert "NO  data" in done.out


def test_other_settings_than_the_daemons_are_told_by_name_and_without_their_value(shared: Home) -> None:
    run(shared, "call", "fs_list")
    done = run(shared, "call", "fs_list", extra={"ASTRO_MCP_LIMITS__CALLS": "31337"})
    assert done.status == 1
    assert "ASTRO_MCP_LIMITS__CALLS" in done.err
    assert "31337" not in done.err
    assert "daemon stop" in done.err


def test_doctor_finds_this_machine_well(shared: Home) -> None:
    done = run(shared, "doctor", "--json")
    assert done.status == 0, done.out
    assert done.json["ok"] is True
    names = {"python", "data", "settings", "daemon", "workspace", "git", "model", "search", "schedules"}
    names |= {"engine", "api", "image", "canary", "limits", "ripgrep"}
    assert set(done.json["checks"]) == names
    assert "a container answered" in done.json["checks"]["canary"]["detail"]
    assert set(done.json["checks"]["limits"]["facts"].values()) == {"held"}


def test_doctor_tells_an_engine_that_is_not_there_and_one_line_that_mends_it(shared: Home) -> None:
    done = run(shared, "doctor", extra=NOWHERE)
    assert done.status == 1
    wrong = [line for line in done.out.splitlines() if line.startswith("NO ")]
    assert [line.split()[1] for line in wrong] == ["engine"]
    assert done.out.count("fix:") == 1


def test_doctor_tells_a_wrong_setting_with_file_line_and_the_right_name(at: Home) -> None:
    at.folder.mkdir(mode=0o700)
    (at.folder / "config.toml").write_text('[sandbox]\nengin = "x"\n')
    done = run(at, "doctor", extra={"PATH": "/nonexistent"})
    assert done.status == 1
    [line] = [line for line in done.out.splitlines() if line.startswith("NO  settings")]
    assert "config.toml" in line
    assert "engin" in line
    assert "NO  git" in done.out


def test_an_engine_that_is_not_there_is_unavailable_to_the_sandbox_commands(shared: Home) -> None:
    for action in ("list", "build"):
        done = run(shared, "sandbox", action, "--json", extra=NOWHERE)
        assert done.status == 3
        error = done.json["error"]
        assert error["code"] == "sandbox_unavailable"
        assert error["hint"]
        assert "\n" not in error["hint"]


def test_the_sandboxs_images_are_listed(shared: Home) -> None:
    done = run(shared, "sandbox", "list", "--json")
    assert done.status == 0
    assert done.json["removed"] is False
    assert done.json["base"] in {row["image"] for row in done.json["items"]}
    assert done.json["base"] in run(shared, "sandbox", "list").out


def test_prune_removes_this_folders_images_of_dependencies_and_no_others(at: Home, tmp_path: Path) -> None:
    house = {owner.HOUSE: owner.house(at.folder / "images")}
    kept = {
        "astro-mcp-sandbox:1": {},
        "astro-mcp-language:2": {"astro-mcp.kind": "language", **house},
        "astro-mcp-python:4": {"astro-mcp.kind": "python", owner.HOUSE: "another"},
        "astro-mcp-npm:5": {"astro-mcp.kind": "npm"},
    }
    going = {f"astro-mcp-{kind}:3": {"astro-mcp.kind": kind, **house} for kind in ("python", "npm")}
    with an_engine(tmp_path / "e.sock", kept | going) as engine:
        done = run(at, "sandbox", "prune", "--json", extra={"ASTRO_MCP_SANDBOX__ENGINE": engine.url})
        assert (done.status, done.json["removed"], done.json["in_use"]) == (0, True, [])
        assert [row["image"] for row in done.json["items"]] == engine.removed == [*going]
        assert engine.images == kept
    [asked] = engine.listed
    assert asked["reference"] == [f"astro-mcp-{kind}" for kind in ("sandbox", "language", "python", "npm")]


@pytest.mark.full
def test_prune_passes_over_what_is_in_use_and_tells_it(at: Home, tmp_path: Path) -> None:
    house = {owner.HOUSE: owner.house(at.folder / "images")}
    images = {f"astro-mcp-python:{number}": {"astro-mcp.kind": "python", **house} for number in (1, 2, 3)}
    with an_engine(tmp_path / "e.sock", images) as engine:
        engine.used = frozenset({"astro-mcp-python:1"})
        done = run(at, "sandbox", "prune", extra={"ASTRO_MCP_SANDBOX__ENGINE": engine.url})
        assert (done.status, engine.removed) == (0, ["astro-mcp-python:2", "astro-mcp-python:3"])
        assert done.out.startswith("2 dependency images removed")
        assert "astro-mcp-python:1 is in use, and stays: conflict: container 12ab" in done.out
        engine.ill = True
        done = run(at, "sandbox", "prune", "--json", extra={"ASTRO_MCP_SANDBOX__ENGINE": engine.url})
        assert (done.status, done.json["error"]["code"]) == (1, "provider_failed")
        assert done.json["error"]["hint"]


@pytest.mark.full
def test_a_languages_image_is_made_once_and_a_wrong_name_gets_the_nearest(shared: Home) -> None:
    image = run(shared, "sandbox", "build", "--language", "js", "--json").json["image"]
    kinds = {row["image"]: row["kind"] for row in run(shared, "sandbox", "list", "--json").json["items"]}
    assert kinds[image] == "language"
    assert run(shared, "sandbox", "build", "--language", "typescript").out.strip() == image, "they share it"
    assert run(shared, "sandbox", "build", "--runner", "node").out.strip() == image, "node's tests run in it"
    assert run(shared, "sandbox", "build", "--runner", "node", "--language", "js").status == 2
    nearest = run(shared, "sandbox", "build", "--runner", "nod", "--json").json["error"]
    assert (nearest["code"], nearest["hint"].partition("?")[0]) == ("invalid_input", "did you mean node")
    wrong = run(shared, "sandbox", "build", "--language", "javscript", "--json")
    assert (wrong.status, wrong.json["error"]["code"]) == (1, "invalid_input")
    assert "javascript?" in wrong.json["error"]["hint"]
    assert run(shared, "sandbox", "list", "--language", "c").status == 2


def test_the_audit_trail_is_shown_whole_however_narrow_the_reader(shared: Home) -> None:
    assert run(shared, "call", "fs_write", "--args", '{"path": "told.txt", "content": "x"}').status == 0
    for show in (run, on_terminal):
        lines = show(shared, "audit", "--last", "2").out.replace("\r", "").splitlines()
        assert len(lines) == 3
        assert "fs_write" in lines[-1]
        assert "…" not in lines[-1]
    items = run(shared, "audit", "--last", "2", "--json").json["items"]
    assert [item["phase"] for item in items] == ["intent", "outcome"]
    assert {item["kind"] for item in items} == {"cli"}


def test_the_audit_trail_of_a_store_that_an_earlier_version_left_is_shown(at: Home) -> None:
    assert run(at, "call", "fs_list").status == 0
    assert run(at, "daemon", "stop").status == 0
    with contextlib.closing(sqlite3.connect(at.folder / "astro.db")) as store:
        store.execute("ALTER TABLE audit DROP COLUMN flow")
        store.commit()
    items = run(at, "audit", "--json").json["items"]
    assert {(item["tool"], item["flow"]) for item in items} == {("fs_list", "")}


def test_the_columns_of_a_table_stand_in_line_and_have_no_trailing_blanks(shared: Home) -> None:
    run(shared, "call", "fs_list")
    head, *rows = run(shared, "audit", "--last", "6").out.splitlines()
    assert all(row == row.rstrip() for row in rows)
    assert {row[head.index("phase") - 1] for row in rows} == {" "}
    assert {row[head.index("phase")] for row in rows} != {" "}


def test_a_trail_that_is_not_there_yet_is_told_as_such(at: Home) -> None:
    done = run(at, "audit", "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "not_found")


def test_nothing_in_the_working_folder_is_loaded_as_code(shared: Home, tmp_path: Path) -> None:
    for name in ("json", "argparse", "rich", "anyio", "astro_mcp", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(9)\n")
    assert run(shared, "call", "fs_list", folder=tmp_path).status == 0
    assert run(shared, "audit", folder=tmp_path).status == 0
    assert not (tmp_path / "ran").exists()


def test_every_command_names_a_module_that_carries_it_out() -> None:
    folder = Path(__file__).parents[2] / "src" / "astro_mcp" / "cli"
    words = [["call", "x"], ["doctor"], ["daemon", "stop"], ["workflow", "list"], ["sandbox", "list"], ["audit"]]
    words += [["worker", "--temporal", "x:1"]]
    modules = {parser().parse_args(line).work for line in words}
    parts = {"__init__", "doctor_sandbox", "history", "link", "parser", "picture", "show"}
    rest = {path.stem for path in folder.glob("*.py")} - parts
    assert modules == rest


@pytest.mark.full
def test_the_sessions_of_a_folder_are_told_and_ended(shared: Home) -> None:
    run(shared, "call", "code_run", "--args", '{"session": "kept", "code": "x = 1"}')
    [one] = run(shared, "sandbox", "sessions", "--json").json["items"]
    assert (one["name"], one["turns"], one["busy"]) == ("kept", 1, False)
    assert "kept" in run(shared, "sandbox", "sessions").out
    missing = run(shared, "sandbox", "end", "never", "--json")
    assert (missing.status, missing.json["error"]["code"]) == (1, "not_found")
    assert run(shared, "sandbox", "end").status == 2
    assert run(shared, "sandbox", "sessions", "kept").status == 2
    assert run(shared, "sandbox", "end", "kept").out == "the session kept is ended\n"
    assert run(shared, "sandbox", "sessions", "--json").json["items"] == []


@pytest.mark.full
def test_a_session_is_ended_amid_a_turn_whatever_waits_for_it_and_each_caller_is_told(shared: Home) -> None:
    told: list[Done] = []
    busy = {"session": "stuck", "code": "import time; time.sleep(100)", "timeout": 100}
    line = ("call", "code_run", "--args", json.dumps(busy), "--json")
    turns = [Thread(target=lambda: told.append(run(shared, *line))) for _ in range(3)]
    for turn in turns:  # as many as one workspace has places for: the other two wait for the first
        turn.start()
    until(lambda: [one["busy"] for one in run(shared, "sandbox", "sessions", "--json").json["items"]] == [True])
    time.sleep(3)
    assert run(shared, "sandbox", "end", "stuck").status == 0
    for turn in turns:
        turn.join(30)
    assert sorted(one.json["error"]["code"] for one in told) == ["cancelled", "conflict", "conflict"]
    assert run(shared, "sandbox", "sessions", "--json").json["items"] == []
