"""`astro-mcp doctor`: whatever it finds wrong has a fix. Each check is broken in turn."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from astro_mcp.agents.files import ripgrep
from astro_mcp.cli import doctor
from astro_mcp.config import load
from astro_mcp.core.agent import Health
from astro_mcp.errors import Unavailable
from astro_mcp.packs import Pack
from astro_mcp.sandbox import engine
from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.shim.place import socket_path

Break = Callable[[pytest.MonkeyPatch, Path], Any]
BROKEN: dict[str, tuple[str, Break]] = {}
NOWHERE = "unix:///nonexistent/docker.sock"


def breaks(check: str) -> Callable[[Break], Break]:
    """Registers a way to break `check`."""

    def note(way: Break) -> Break:
        BROKEN[way.__name__] = (check, way)
        return way

    return note


@breaks("python")
def an_old_interpreter(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(doctor, "sys", SimpleNamespace(version_info=(3, 10), executable="/usr/bin/python3", prefix="/usr"))


@breaks("data")
def a_folder_that_is_open_to_others(patch: pytest.MonkeyPatch, folder: Path) -> None:
    folder.chmod(0o755)


@breaks("data")
def a_folder_that_is_a_file(patch: pytest.MonkeyPatch, folder: Path) -> None:
    folder.rmdir()
    folder.touch()


@breaks("data")
def a_full_disk(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=199_000_000))


@breaks("settings")
def a_key_that_does_not_exist(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "config.toml").write_text('[sandbox]\nzzzzzz = "x"\n')


@breaks("settings")
def a_file_that_is_no_toml(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "config.toml").write_text("[[[")


@breaks("settings")
def a_variable_of_a_wrong_type(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("ASTRO_MCP_LIMITS__CALLS", "many")


@breaks("daemon")
def something_else_on_the_daemons_socket(patch: pytest.MonkeyPatch, folder: Path) -> socket.socket:
    path = Path(socket_path(str(folder), os.environ))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stranger = socket.socket(socket.AF_UNIX)
    stranger.bind(str(path))
    stranger.listen()

    def answers_nonsense(*_: Any) -> None:
        link, _address = stranger.accept()
        with link:
            link.recv(65536)
            link.sendall(b"220 smtp ready\n")

    threading.Thread(target=answers_nonsense, daemon=True).start()
    return stranger


def schedule(folder: Path, more: str = "", **fields: Any) -> None:
    """One in config.toml that could start, but for these fields; `more` comes before it."""
    root = folder.with_name("workspace")
    root.mkdir(exist_ok=True)
    given = {"cron": "0 3 * * *", "template": "index-codebase", "root": str(root), "allow": ["read", "write"], **fields}
    inputs = given.pop("inputs", {})
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    table = [f"{name} = {json.dumps(value)}" for name, value in inputs.items()]
    (folder / "config.toml").write_text(
        "\n".join([more, "[schedules.nightly]", *lines, "[schedules.nightly.inputs]", *table])
    )


@breaks("schedules")
def a_schedule_of_no_time(patch: pytest.MonkeyPatch, folder: Path) -> None:
    schedule(folder, cron="never")


@breaks("schedules")
def a_schedule_of_a_template_that_does_not_exist(patch: pytest.MonkeyPatch, folder: Path) -> None:
    schedule(folder, template="index-codebas")


@breaks("schedules")
def a_schedule_in_a_folder_that_is_no_workspace(patch: pytest.MonkeyPatch, folder: Path) -> None:
    schedule(folder, root="/")


@breaks("git")
def an_empty_path(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("PATH", "/nonexistent")


@breaks("git")
def a_check_that_never_ends(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(doctor, "_git", anyio.sleep_forever)
    patch.setattr(doctor, "SECONDS", 0.2)


@breaks("git")
def a_check_whose_error_has_no_hint(patch: pytest.MonkeyPatch, folder: Path) -> None:
    async def fails() -> Health:
        raise Unavailable("it broke")

    patch.setattr(doctor, "_git", fails)


@breaks("git")
def a_check_that_the_system_refuses(patch: pytest.MonkeyPatch, folder: Path) -> None:
    async def fails() -> Health:
        raise PermissionError(13, "Permission denied")

    patch.setattr(doctor, "_git", fails)


@breaks("engine")
def an_engine_that_is_away(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("ASTRO_MCP_SANDBOX__ENGINE", NOWHERE)


@breaks("engine")
def a_runtime_that_the_engine_has_not(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("ASTRO_MCP_SANDBOX__RUNTIME", "kata")


@breaks("api")
def an_engine_that_is_too_old(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(engine, "OLDEST_API", (9, 0))


@breaks("image")
def an_image_that_is_not_built(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr("astro_mcp.sandbox.sandbox.base_tag", lambda recipe: "astro-mcp-sandbox:never")


@breaks("limits")
def a_limit_that_does_not_hold(patch: pytest.MonkeyPatch, folder: Path) -> None:
    async def one(_: Sandbox) -> list[str]:
        return ["memory"]

    patch.setattr(Sandbox, "not_held", one)


@breaks("engine")
def an_engine_that_is_no_address(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("ASTRO_MCP_SANDBOX__ENGINE", "gopher://docker")


@breaks("canary")
def a_container_that_fails(patch: pytest.MonkeyPatch, folder: Path) -> None:
    async def fails(_: Sandbox, job: Job) -> Outcome:
        return Outcome(126, b"", b"", (), (), 1.0, 1.0)

    patch.setattr(Sandbox, "run", fails)


@breaks("model")
def a_model_file_that_was_changed(patch: pytest.MonkeyPatch, folder: Path) -> None:
    another_pack(patch, folder).write_bytes(b"another model")


@breaks("model")
def a_model_file_that_is_gone(patch: pytest.MonkeyPatch, folder: Path) -> None:
    another_pack(patch, folder).unlink()


def another_pack(patch: pytest.MonkeyPatch, folder: Path) -> Path:
    """The pack, with a model of its own to break; returns that file."""
    real, copy = Pack.find(), Pack(folder.parent / "pack")
    for part in ("tools", "resources/sandbox", "resources/models"):
        shutil.copytree(real.root / part, copy.root / part)
    patch.setattr(Pack, "find", lambda: copy)
    return copy.resources / "models" / "minilm-l6-v2-int8" / "tokenizer.json"


@breaks("search")
def no_provider_that_is_enabled(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "config.toml").write_text("[search.ddgs]\nenabled = false\n")


@breaks("search")
def a_provider_that_nobody_knows(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "config.toml").write_text('[search.searxngg]\nbase_url = "https://search.example"\n')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound machine, whose container need not be started each time."""

    async def succeeds(_: Sandbox, job: Job) -> Outcome:
        return Outcome(0, b"", b"", (), (), 1.0, 1.0)

    async def nothing(_: Sandbox) -> list[str]:
        return []

    monkeypatch.setattr(Sandbox, "not_held", nothing)
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    monkeypatch.setenv("ASTRO_MCP_HOME", str(made))
    for name in ("DOCKER_HOST", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Sandbox, "run", succeeds)
    return made


def wrong(found: dict[str, Health]) -> dict[str, Health]:
    return {name: health for name, health in found.items() if not health.ok}


def test_nothing_is_wrong_with_a_sound_machine(folder: Path) -> None:
    assert wrong(anyio.run(doctor._all)) == {}


@pytest.mark.parametrize("way", BROKEN)
def test_whatever_doctor_finds_wrong_has_a_fix(folder: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    check, broken = BROKEN[way]
    opened = broken(monkeypatch, folder)
    try:
        found = wrong(anyio.run(doctor._all))
    finally:
        if opened is not None:
            opened.close()
    assert check in found
    for name, health in found.items():
        assert health.detail, name
        assert health.fix.strip(), f"{name} is wrong and nothing is said to do: {health.detail}"
        assert "\n" not in health.fix


def test_what_needs_the_engine_is_not_looked_at_without_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    an_engine_that_is_away(monkeypatch, folder)
    found = anyio.run(doctor._all)
    assert not found["engine"].ok
    assert not found.keys() & {"api", "image", "canary", "limits"}


def test_the_schedules_row_says_when_each_begins_next(folder: Path) -> None:
    schedule(folder, cron="30 3 1 1 *")
    row = anyio.run(doctor._all)["schedules"]
    assert row.ok
    assert row.detail.startswith("nightly at 2")
    assert "-01-01 " in row.detail or "-12-31 " in row.detail, "in the time of this machine"


MODEL = '[model]\nbase_url = "https://model.example/v1"\nname = "m"\n'
EVERYTHING = ["read", "write", "destroy", "execute", "network"]


@pytest.mark.parametrize(
    ("fields", "detail", "fix"),
    [
        ({"allow": ["read"]}, "write", "allow"),
        ({"template": "explain-failures", "allow": EVERYTHING}, "nobody answers", "[model]"),
        ({"template": "release-notes", "allow": EVERYTHING[:-1], "more": MODEL}, "over the network", "allow"),
        (
            {"template": "research-and-report", "allow": EVERYTHING, "more": MODEL},
            "question: is missing",
            "config.toml",
        ),
        ({"inputs": {"pahts": ["src"]}}, "pahts", "paths"),
        ({"inputs": {"paths": 7}}, "paths", "schedules.nightly"),
    ],
)
def test_the_schedules_row_tells_what_would_keep_a_run_from_its_start(
    folder: Path, fields: dict[str, Any], detail: str, fix: str
) -> None:
    schedule(folder, **fields)
    row = anyio.run(doctor._schedules, load(folder, {}), folder)
    assert not row.ok
    assert row.detail.startswith("nightly can't start: ")
    assert detail in row.detail
    assert fix in row.fix


def test_a_schedule_whose_asks_the_model_answers_can_start(folder: Path) -> None:
    schedule(folder, MODEL, template="explain-failures", allow=EVERYTHING)
    row = anyio.run(doctor._schedules, load(folder, {}), folder)
    assert row.ok, row


SEARXNG = '[search.searxng]\nbase_url = "https://search.example"\n'


@pytest.mark.parametrize(
    ("settings", "providers", "hint"),
    [
        ("", "ddgs", True),
        (SEARXNG, "ddgs, searxng", False),
        (SEARXNG + "[search.ddgs]\nenabled = false\n", "searxng", False),
        (SEARXNG + "enabled = false\n", "ddgs", True),
    ],
)
def test_the_search_row_names_the_providers_that_are_asked(
    folder: Path, settings: str, providers: str, hint: bool
) -> None:
    (folder / "config.toml").write_text(settings)
    row = anyio.run(doctor._all)["search"]
    assert (row.ok, row.detail, "SearXNG" in row.fix) == (True, f"providers: {providers}", hint)


@pytest.mark.parametrize(("setting", "told"), [("", True), ("unix:///var/run/docker.sock", False)])
def test_a_docker_host_that_is_not_taken_over_is_told_with_the_line_that_keeps_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, setting: str, told: bool
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    monkeypatch.setenv("ASTRO_MCP_SANDBOX__ENGINE", setting)
    row = anyio.run(doctor._all)["engine"]
    assert row.ok
    assert ('[sandbox] engine = "tcp://192.0.2.1:2375"' in row.fix) is told
    assert "192.0.2.1" not in row.detail


@pytest.mark.parametrize("there", [True, False])
def test_the_ripgrep_row_tells_the_one_that_searches_use_or_where_it_would_be_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """One that lies elsewhere, in a PATH of somebody's own, is none."""
    places, elsewhere = folder.parent / "places", folder.parent / "bin"
    for made in (elsewhere, *([places] if there else [])):
        made.mkdir()
        (made / "rg").touch(mode=0o755)
    monkeypatch.setattr(ripgrep, "PLACES", str(places))
    monkeypatch.setenv("PATH", f"{elsewhere}:{os.environ['PATH']}")
    row = anyio.run(doctor._all)["ripgrep"]
    assert row.ok
    assert row.detail == str(places / "rg") if there else str(places) in row.fix


def test_every_check_that_can_be_wrong_was_broken(folder: Path) -> None:
    never = {"workspace", "ripgrep"}  # they tell what there is, and a hint
    checks = set(anyio.run(doctor._all))
    assert {check for check, _ in BROKEN.values()} == checks - never
