"""Configuration: every key described, every wrong one told with its place, and nothing taken from a workspace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from astro_mcp.config import SandboxSettings, Settings, load
from astro_mcp.errors import InvalidInput
from astro_mcp.testing import workbench

ROOT = Path(__file__).parents[2]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == Settings()


def test_the_file_goes_before_the_defaults_and_the_environment_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[sandbox]\nmemory_mb = 128\ncpus = 2\n")
    settings = load(tmp_path, {"ASTRO_MCP_SANDBOX__MEMORY_MB": "256", "ASTRO_MCP_HOME": str(tmp_path)})
    assert (settings.sandbox.memory_mb, settings.sandbox.cpus) == (256, 2)


def test_an_unknown_key_is_told_with_file_line_and_the_nearest_right_key(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# mine\n[sandbox]\nmemory_md = 128\n")
    with pytest.raises(InvalidInput) as told:
        load(tmp_path, {})
    assert f"{tmp_path / 'config.toml'}:3" in told.value.message
    assert told.value.problems[0].suggestion == "memory_mb"


@pytest.mark.parametrize(
    ("text", "near"),
    [("[sandbox.tenants.guests]\ncpu = 1", "cpus"), ("[search.ddgs]\nenable = true", "enabled")],
)
def test_a_table_of_tables_is_as_strict(tmp_path: Path, text: str, near: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(InvalidInput) as told:
        load(tmp_path, {})
    assert [(problem.path, problem.suggestion) for problem in told.value.problems] == [
        (f"{tmp_path / 'config.toml'}:2", near)
    ]


def test_a_tenants_limits_are_those_of_all_with_its_own_in_their_place(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[sandbox]\ncpus = 2\nruns = 6\n[sandbox.tenants.guests]\nruns = 1\n")
    sandbox = load(tmp_path, {}).sandbox
    assert (sandbox.of("guests").cpus, sandbox.of("guests").runs) == (2, 1)
    assert (sandbox.of("local").cpus, sandbox.of("local").runs) == (2, 6)
    assert sandbox.of("guests").memory_mb == sandbox.of("local").memory_mb == SandboxSettings().memory_mb


@pytest.mark.parametrize(
    "text",
    ["[sandbox]\nmemory_mb = 1", "[sandbx]\n", "sandbox = 3", "[limits]\ncalls = 'many'", "[sandbox]\nmemory_mb"]
    + [f"[sandbox]\nbuild_from_source = ['{name}']" for name in ("Foo_Bar", ":all:", "*", "", "x @ y", "-r")],
)
def test_a_wrong_value_or_a_broken_file_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(InvalidInput, match=r"config\.toml"):
        load(tmp_path, {})


@pytest.mark.parametrize("host", ["api.example.org:443", "a-1.xn--bcher-kva.example:8443", "x.xn--p1ai:65535"])
def test_egress_takes_exact_names_and_ports(host: str) -> None:
    settings = load(Path("nowhere"), {"ASTRO_MCP_SANDBOX__EGRESS": f'["{host}"]'})
    assert settings.sandbox.egress == (host,)
    assert load(Path("nowhere"), {}).sandbox.egress == ()


# fmt: off
NO_HOSTS = [
    "api.example.org", "*.example.org:443", "API.example.org:443", "bücher.example:443", "localhost:80", "db:5432",
    "1.2.3.4:443", "0x7f.0x1:80", "2130706433:80", "[::1]:443", "::1:443", "a..org:1", "a.org.:1", "-a.org:1",
    "a-.org:1", "a.org:0", "a.org:65536", "a.org:0443", "https://a.org:443", "a.org:443/x", "u@a.org:443", "a_b.org:1",
    "", f"{'a.' * 126}org:443",
]
# fmt: on


@pytest.mark.parametrize("host", NO_HOSTS)
def test_egress_takes_nothing_else_and_says_where_it_stands(tmp_path: Path, host: str) -> None:
    (tmp_path / "config.toml").write_text(f'[sandbox]\nmemory_mb = 256\negress = ["api.example.org:443", "{host}"]\n')
    with pytest.raises(InvalidInput, match="is no host and port") as told:
        load(tmp_path, {})
    assert f"{tmp_path / 'config.toml'}:3" in told.value.message


def test_an_unknown_variable_stops_the_start_and_names_itself(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="ASTRO_MCP_SANDBOX__OFF"):
        load(tmp_path, {"ASTRO_MCP_SANDBOX__OFF": "1"})


async def test_a_grant_that_is_older_than_the_ceiling_is_held_against_it(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    environment = {"ASTRO_MCP_ROOTS__CEILING": f'["{tmp_path / "allowed"}"]'}
    async with workbench(tmp_path / "data", roots=[tmp_path / "project"], environment=environment) as bench:
        error = (await bench.call("fs_list", path=".")).error
    assert error is not None
    assert (error.code, "roots.ceiling" in error.hint) == ("forbidden", True)


def test_no_key_switches_the_sandbox_off() -> None:
    for name in Settings.model_fields["sandbox"].annotation.model_fields:  # type: ignore[union-attr] # a section
        assert not any(word in name for word in ("enabled", "disable", "off", "local", "fallback", "unsafe"))


def test_the_page_describes_every_key_as_the_code_has_it() -> None:
    command = [sys.executable, str(ROOT / "scripts/pages.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
