"""scripts/setup on machines that this one is not: sourced, with fake programs on PATH and a folder in place of /."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.packaging.setup_machine import ANSWERS_THE_THIRD_TIME, HANGS, NEVER, STARTS, Machine, machine


def test_sourcing_it_defines_functions_and_does_nothing(tmp_path: Path) -> None:
    at = machine(tmp_path)
    assert at.run(":").returncode == 0
    assert at.calls == []


def test_an_engine_that_answers_is_left_alone(tmp_path: Path) -> None:
    at = machine(tmp_path)
    at.program("docker")
    at.program("apt-get")
    done = at.run("docker_engine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert at.calls == ["docker info"]


def mac(folder: Path) -> Machine:
    """A Mac has no `timeout`; the environment that setup made before it looks for an engine has Python."""
    at = machine(folder, user=501, system="Darwin")
    (folder / "checkout/.venv/bin/python").symlink_to(sys.executable)
    return at


def test_on_a_mac_an_engine_that_answers_is_found(tmp_path: Path) -> None:
    at = mac(tmp_path)
    at.program("docker")
    done = at.run("docker_engine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert at.calls == ["docker info"]


@pytest.mark.parametrize("make", [machine, mac])
def test_an_engine_that_never_answers_a_question_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], Machine]
) -> None:
    at = make(tmp_path)
    at.program("docker", HANGS)
    began = time.monotonic()
    assert at.run("engine_answers 0.3").returncode != 0
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_without_an_engine_and_without_root_the_lines_to_type_are_printed_and_it_fails(tmp_path: Path) -> None:
    at = machine(tmp_path, user=1000)
    at.program("apt-get")
    done = at.run("docker_engine")
    assert (done.returncode, done.stdout) == (1, "")
    assert "    sudo apt-get update && sudo apt-get install -y docker.io\n" in done.stderr
    assert "    sudo usermod -aG docker somebody" in done.stderr
    assert at.asked("apt-get") == [], "it is not for this user to install"


def test_without_root_an_engine_that_does_not_run_is_told_how_to_start(tmp_path: Path) -> None:
    at = machine(tmp_path, user=1000)
    at.program("docker", NEVER)
    at.program("dockerd")
    at.program("apt-get")
    done = at.run("docker_engine")
    assert done.returncode == 1
    assert "    sudo systemctl start docker\n" in done.stderr
    assert "apt-get" not in done.stderr
    assert at.asked("dockerd") == []


@pytest.mark.parametrize("user", [0, 1000])
def test_where_there_is_no_apt_it_says_what_is_to_be_installed(tmp_path: Path, user: int) -> None:
    done = machine(tmp_path, user=user).run("docker_engine")
    assert done.returncode == 1
    assert "install Docker Engine with your system's package manager" in done.stderr


def test_on_a_mac_the_line_is_that_of_a_mac(tmp_path: Path) -> None:
    done = machine(tmp_path, user=501, system="Darwin").run("docker_engine")
    assert done.returncode == 1
    assert "    brew install --cask docker && open -a Docker\n" in done.stderr
    assert "sudo" not in done.stderr


@pytest.mark.parametrize(("knows", "packages"), [(0, "docker.io docker-cli"), (1, "docker.io")])
def test_as_root_the_engine_is_installed_started_and_waited_for(tmp_path: Path, knows: int, packages: str) -> None:
    at = machine(tmp_path)
    at.later(ANSWERS_THE_THIRD_TIME.replace("1) exit 1 ;;", ""))
    at.program("apt-cache", f"exit {knows}")
    # Before the installation there is no docker to ask: its calls begin with the second of the three.
    at.file("calls", "docker info\n")
    done = at.run("docker_engine")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert at.asked("apt-cache") == ["apt-cache show docker-cli"]
    assert at.asked("apt-get") == ["apt-get update -qq", f"apt-get install -qq -y --no-install-recommends {packages}"]
    assert at.asked("dockerd") == ["dockerd"]
    assert len(at.asked("docker")) == 3
    assert at.asked("sleep") == ["sleep 1"]
    assert (tmp_path / "var/log/dockerd.log").read_text() == "to nobody's terminal\n"


def test_as_root_an_engine_whose_program_is_missing_gets_it(tmp_path: Path) -> None:
    at = machine(tmp_path)
    at.later("")
    for where in ("bin", "later"):
        at.program("dockerd", where=where)  # the usual one waits until it is looked at, and here nobody does
    at.program("apt-cache")
    assert at.run("docker_engine").returncode == 0
    assert at.asked("apt-get")[-1].endswith("docker.io docker-cli")


def test_an_engine_that_is_there_and_stands_still_is_started_and_not_installed(tmp_path: Path) -> None:
    at = machine(tmp_path)
    at.program("docker", ANSWERS_THE_THIRD_TIME)
    at.program("dockerd", STARTS)
    at.program("apt-get")
    done = at.run("docker_engine")
    assert done.returncode == 0, done.stderr
    assert at.asked("apt-get") == []
    assert at.asked("dockerd") == ["dockerd"]
    assert len(at.asked("docker")) == 3


def test_under_systemd_the_unit_is_started_and_no_engine_by_hand(tmp_path: Path) -> None:
    at = machine(tmp_path)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    stale = at.file("var/run/docker.pid", "1\n")
    at.program("docker", '[ $(grep -c "docker info" "$MACHINE/calls") -gt 1 ]')
    at.program("dockerd")
    at.program("apt-get")
    at.program("systemctl")
    assert at.run("docker_engine").returncode == 0
    assert at.asked("systemctl") == ["systemctl start docker"]
    assert at.asked("dockerd") == []
    assert stale.exists(), "its files are systemd's business"


def test_a_pid_file_that_outlived_its_process_is_removed_and_a_living_engines_is_not(tmp_path: Path) -> None:
    at = machine(tmp_path)
    at.program("docker", ANSWERS_THE_THIRD_TIME)
    at.program("dockerd", STARTS)
    at.program("apt-get")
    gone = at.file("var/run/docker.pid", "41")
    at.file("proc/41/comm", "postgres\n")  # the number is somebody else's now
    living = at.file("var/run/docker/containerd/containerd.pid", "42")
    at.file("proc/42/comm", "containerd\n")
    assert at.run("docker_engine").returncode == 0
    assert not gone.exists()
    assert living.exists()


@pytest.mark.parametrize("path", ["var/run/docker.pid", "var/run/docker/containerd/containerd.pid"])
def test_both_pid_files_are_looked_at_and_a_number_of_nobody_is_dropped(tmp_path: Path, path: str) -> None:
    at = machine(tmp_path)
    at.program("docker", ANSWERS_THE_THIRD_TIME)
    at.program("dockerd", STARTS)
    at.program("apt-get")
    gone = at.file(path, "43")
    assert at.run("docker_engine").returncode == 0
    assert not gone.exists()


def test_an_engine_that_never_answers_ends_setup_with_the_log_to_read(tmp_path: Path) -> None:
    at = machine(tmp_path)
    at.program("docker", NEVER)
    at.program("dockerd")
    at.program("apt-get")
    done = at.run("docker_engine; echo went on")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/var/log/dockerd.log" in done.stderr
    assert "journalctl -u docker" in done.stderr
    assert at.asked("sleep") == ["sleep 1"] * 60, "a minute"


def test_a_unit_that_systemd_can_not_start_is_told_at_once(tmp_path: Path) -> None:
    at = machine(tmp_path)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    at.program("docker", NEVER)
    at.program("dockerd")
    at.program("apt-get")
    at.program("systemctl", "exit 5")
    done = at.run("docker_engine")
    assert done.returncode == 1
    assert "journalctl -u docker" in done.stderr
    assert at.asked("sleep") == []


def test_a_machine_without_python_is_told_what_to_install(tmp_path: Path) -> None:
    at = machine(tmp_path)
    at.program("python3", "exit 1")  # too old, or without venv
    done = at.run("find_python")
    assert (done.returncode, done.stdout) == (1, "")
    assert "apt-get install python3 python3-venv" in done.stderr
    at.program("python3.12")
    assert at.run("find_python").stdout == f"{tmp_path}/bin/python3.12\n"


def test_a_second_run_makes_no_environment_and_a_changed_pin_makes_it_again(tmp_path: Path) -> None:
    at = machine(tmp_path)
    for name in ("requirements-dev.txt", "pyproject.toml"):
        at.file(f"checkout/{name}", name)
    at.program("python", where="checkout/.venv/bin")
    install = "python -m pip install --quiet --no-deps"
    for made in (2, 2):
        assert at.run("python_environment").returncode == 0
        assert len(at.calls) == made
    assert at.calls == [
        f"{install} --require-hashes -r requirements-dev.txt",
        f"{install} --no-build-isolation --editable .",
    ]
    at.file("checkout/requirements-dev.txt", "another pin")
    at.run("python_environment")
    assert len(at.calls) == 4


def test_an_installation_that_failed_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    at = machine(tmp_path)
    for name in ("requirements-dev.txt", "pyproject.toml"):
        at.file(f"checkout/{name}", name)
    at.program("python", "exit 1", where="checkout/.venv/bin")
    assert at.run("python_environment").returncode == 1
    assert not (tmp_path / "checkout/.venv/.ready").exists()


def test_without_npm_the_inspector_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    done = machine(tmp_path).run("inspector")
    assert done.returncode == 0
    assert "no npm here" in done.stderr


def test_the_inspector_comes_once_from_its_lock_file_and_runs_no_scripts(tmp_path: Path) -> None:
    at = machine(tmp_path)
    (tmp_path / "bin" / "cp").symlink_to(str(shutil.which("cp")))
    for name in ("package.json", "package-lock.json"):
        at.file(f"checkout/tests/inspector/{name}", name)
    at.program("npm")
    for _ in range(2):
        assert at.run("inspector").returncode == 0
    assert at.asked("npm") == ["npm ci --ignore-scripts --no-audit --no-fund --loglevel=error"]


@pytest.mark.parametrize(("user", "apt"), [(0, ""), (0, "exit 100"), (1000, "")])
def test_ripgrep_is_installed_where_that_can_be_and_missed_by_nobody(tmp_path: Path, user: int, apt: str) -> None:
    here = machine(tmp_path, user=user)
    here.program("apt-get", apt)
    done = here.run("ripgrep")
    assert done.returncode == 0, done.stderr
    installed = user == 0 and not apt
    assert ("no ripgrep here" in done.stderr) is not installed
    assert ("apt-get install -qq -y --no-install-recommends ripgrep" in here.calls) is installed
    here.program("rg")
    before = here.calls
    assert here.run("ripgrep").stderr == ""
    assert here.calls == before


PARTS = """
python_environment() { echo environment begins; read -r _ <"$MACHINE/image"; echo environment is made; }
inspector() { :; }
docker_engine() { echo engine; }
language_images() { echo languages; }
ripgrep() { :; }
mkdir scripts; mkfifo "$MACHINE/image" "$MACHINE/never"
printf '#!/bin/bash\necho image; echo made >"$MACHINE/image"\n' >scripts/sandbox-image; chmod +x scripts/sandbox-image
"""


def fresh(folder: Path) -> Machine:
    """One that has everything but what setup makes."""
    at = machine(folder)
    for name in ("chmod", "mkfifo"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    (folder / "checkout/.venv/bin/python").symlink_to(sys.executable)
    return at


def test_the_environment_is_made_beside_the_first_image_and_what_needs_both_waits(tmp_path: Path) -> None:
    done = fresh(tmp_path).run(f"{PARTS} everything")
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert sorted(told[:3]) == ["engine", "environment begins", "image"]
    assert told[3:] == ["environment is made", "languages"]


@pytest.mark.parametrize("part", ["python_environment", "inspector"])
def test_where_a_part_fails_that_went_beside_the_others_setup_fails_as_it_did(tmp_path: Path, part: str) -> None:
    broken = f'{part}() {{ [ {part} = inspector ] || read -r _ <"$MACHINE/image"; exit 7; }};'
    free = 'python_environment() { read -r _ <"$MACHINE/image"; };'
    done = fresh(tmp_path).run(f"{PARTS} {free} {broken} everything")
    assert done.returncode == 7
    assert "languages" not in done.stdout


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_goes_beside_the_others_ends_where_setup_fails(tmp_path: Path) -> None:
    waits = (
        'python_environment() { echo $BASHPID >"$MACHINE/pid"; echo >"$MACHINE/image"; read -r _ <"$MACHINE/never"; };'
    )
    fails = 'docker_engine() { read -r _ <"$MACHINE/image"; exit 5; };'
    began = time.monotonic()
    done = fresh(tmp_path).run(f"{PARTS} {waits} {fails} everything")
    assert done.returncode == 5
    assert time.monotonic() - began < 30
    pid = int((tmp_path / "pid").read_text())
    while lives(pid) and time.monotonic() - began < 30:
        time.sleep(0.01)
    assert not lives(pid)
