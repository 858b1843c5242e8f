"""What `scripts/setup --full` adds: other engines and runtimes for the long tests."""

from __future__ import annotations

from pathlib import Path

from tests.packaging.setup_machine import machine

ENGINES = "runsc podman uidmap"


def test_the_long_tests_engines_are_installed_where_one_is_missing(tmp_path: Path) -> None:
    at = machine(tmp_path)
    at.program("apt-get")
    for name in ("runsc", "podman"):
        at.program(name)
    assert at.run("other_engines").returncode == 0
    assert at.calls == [
        "id -u",
        "apt-get update -qq",
        f"apt-get install -qq -y --no-install-recommends {ENGINES}",
    ]
    at.program("newuidmap")
    assert at.run("other_engines").stderr == ""
    assert len(at.calls) == 3


def test_without_root_the_line_that_installs_the_long_tests_engines_is_printed(tmp_path: Path) -> None:
    at = machine(tmp_path, user=1000)
    at.program("apt-get")
    done = at.run("other_engines")
    assert done.returncode == 0
    assert f"    sudo apt-get update && sudo apt-get install -y --no-install-recommends {ENGINES}\n" in done.stderr
    assert at.asked("apt-get") == []
