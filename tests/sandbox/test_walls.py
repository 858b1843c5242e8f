"""What hostile code finds when it looks for a way out. The probes run once, in one container."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.sandbox.rig import RESOURCES, SMALL

from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.sandbox import Sandbox


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    program = Path(__file__).with_name("probes.py").read_text()

    async def probe() -> Outcome:
        sandbox = Sandbox(SMALL, tmp_path_factory.mktemp("walls"), RESOURCES)
        try:
            return await sandbox.run(Job(("python3", "-c", program), timeout=30))
        finally:
            await sandbox.close()

    outcome = anyio.run(probe)
    assert outcome.exit_code == 0, outcome.stderr.decode()
    return json.loads(outcome.stdout)


def test_code_is_nobody(found: Any) -> None:
    assert set(found["ids"]) == {65532}


def test_code_has_no_capabilities_and_can_gain_none(found: Any) -> None:
    assert found["capabilities"] == 0
    assert found["no_new_privileges"] == 1
    assert found["setuid"] == []


def test_the_childs_own_seccomp_filter_is_stacked_on_the_engines(found: Any) -> None:
    assert found["filters"] >= 2


def test_nothing_of_the_image_can_be_written(found: Any) -> None:
    assert set(found["writes"].values()) == {"EROFS"}
    assert found["sysctl"] in ("EROFS", "EACCES")


def test_programs_in_tmp_dont_start_and_setuid_in_the_workspace_is_ignored(found: Any) -> None:
    assert found["tmp_exec"] == "EACCES"
    assert found["workspace_exec"] == "done 65532"


def test_there_is_no_network(found: Any) -> None:
    assert found["interfaces"] == ["lo"]
    assert found["connect"] == found["metadata"] == "ENETUNREACH"
    assert "done" not in found["resolve"]


def test_exotic_socket_families_are_refused(found: Any) -> None:
    assert set(found["families"].values()) == {"EAFNOSUPPORT"}
    assert found["pair"] == "EAFNOSUPPORT"
    assert found["unix"] == "done"


def test_io_uring_and_other_wide_system_calls_are_refused(found: Any) -> None:
    assert set(found["syscalls"].values()) == {"EPERM"}


def test_pid_1_can_neither_be_traced_nor_read_nor_written_to_nor_killed(found: Any) -> None:
    assert found["ptrace_1"] == [-1, "EPERM"]
    assert found["memory_1"] == found["output_1"] == "EACCES"
    assert found["kill_1"] == "done None"  # PID 1 takes no signal from inside, and the report came after it


def test_the_child_has_three_descriptors_and_a_clean_environment(found: Any) -> None:
    assert found["descriptors"] == ["0", "1", "2"]
    assert set(found["environment"]) <= {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "LC_CTYPE"}


def test_there_is_no_engine_socket_and_no_device(found: Any) -> None:
    assert found["engine"] == []
    assert found["devices"] == "EPERM"
