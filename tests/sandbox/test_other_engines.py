"""Other engines and runtimes, each real: what of them runs our containers does so within every limit, the rest is
refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import docker
import pytest
from tests.sandbox.podman import load, podman
from tests.sandbox.rig import RESOURCES, SMALL, Make
from tests.sandbox.sdists import plain, printed, sdist
from tests.sandbox.second_engine import SecondEngine, second_engine
from tests.sandbox.wheels import wheel

from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError, SandboxUnavailable
from astro_mcp.sandbox import hardening, outside, owner
from astro_mcp.sandbox.image import base_tag
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.runtimes import NAMES
from astro_mcp.sandbox.sandbox import Sandbox

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

IMAGE = base_tag(RESOURCES / "image")
LARGER = SMALL.model_copy(update={"memory_mb": 256})
"""gVisor's own kernel is in a container's memory."""
SCOPE = Scope("local", "engines")
RUNSC = {"path": "/usr/bin/runsc"}
RUNTIMES = {
    "runsc": {**RUNSC, "runtimeArgs": ["--oci-seccomp", "--network=none"]},
    "no-seccomp": {**RUNSC, "runtimeArgs": ["--network=none"]},
    "no-arguments": RUNSC,
}
PROGRAM = (
    "import sys; open('out/f', 'w').write(open('a').read()); print(6 * 7); print('no', file=sys.stderr); sys.exit(3)"
)


def needed(program: str) -> None:
    assert shutil.which(program), f"{program} is missing: scripts/setup --full installs it"


@pytest.fixture(scope="module")
def gvisor() -> Iterator[SecondEngine]:
    needed("runsc")
    folder = Path(tempfile.mkdtemp(prefix="e-", dir="/tmp"))
    (folder / "daemon.json").write_text(json.dumps({"runtimes": RUNTIMES}))
    with second_engine(folder, [f"--config-file={folder / 'daemon.json'}"]) as made:
        made.load(IMAGE)
        yield made


@pytest.fixture(scope="module")
def remapped() -> Iterator[SecondEngine]:
    ids = {"/etc/subuid": "nobody:200000:65536\n", "/etc/subgid": "nobody:200000:65536\n"}
    with second_engine(Path(tempfile.mkdtemp(prefix="e-", dir="/tmp")), ["--userns-remap=nobody:nogroup"], ids) as made:
        made.load(IMAGE)
        yield made


@pytest.fixture(scope="module")
def rootful() -> Iterator[str]:
    needed("podman")
    with podman() as url:
        load(url, IMAGE)
        yield url


@pytest.fixture
def at(make: Make) -> Callable[..., Any]:
    """A sandbox on the engine at `url`; no container of it is there after the block."""

    @asynccontextmanager
    async def sandbox(url: str, runtime: str = "") -> AsyncIterator[Sandbox]:
        made = make(LARGER.model_copy(update={"engine": url, "runtime": runtime, "warm": 1}))
        yield made
        await made.close()
        with closing(docker.APIClient(url, version="auto")) as client:
            assert await anyio.to_thread.run_sync(lambda: client.containers(all=True)) == []

    return sandbox


async def does_its_work(sandbox: Sandbox) -> None:
    """A run with files both ways, a session of two turns, a timeout; and every limit holds when it is tried."""
    files = (SandboxFile("a", b"in and out"),)
    outcome = await sandbox.run(Job(("python3", "-c", PROGRAM), files=files, timeout=30))
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, b"42\n", b"no\n")
    assert outcome.files == (SandboxFile("f", b"in and out"),)
    late = await sandbox.run(Job(("sh", "-c", "echo begun; sleep 60"), timeout=1))
    assert (late.stdout, late.limits_hit) == (b"begun\n", ("timeout",))
    async with sandbox.warm():
        for turn in (b"import sys; sys.kept = 41", b"import sys; print(sys.kept + 1)"):
            job = Job(("python3", "s.py"), files=(SandboxFile("s.py", turn),), timeout=30, script=True)
            outcome = await sandbox.turn(SCOPE, "one", job)
            assert not outcome.over
    assert outcome.stdout == b"42\n"
    assert await sandbox.not_held() == []


async def refused(sandbox: Sandbox) -> AstroError:
    with pytest.raises(AstroError) as caught:
        await sandbox.run(Job(("true",)))
    return caught.value


async def walls(sandbox: Sandbox) -> Any:
    """What the probes find that don't end their own container."""
    program = Path(__file__).with_name("probes.py").read_text().replace("os.kill(1, 9)", "None")
    outcome: Outcome = await sandbox.run(Job(("python3", "-c", program), timeout=60))
    assert outcome.exit_code == 0, outcome.stderr.decode()
    return json.loads(outcome.stdout)


async def test_gvisor_runs_jobs_and_sessions_within_every_limit(gvisor: SecondEngine, at: Callable[..., Any]) -> None:
    async with at(gvisor.url, "runsc") as sandbox:
        await does_its_work(sandbox)
        outcome = await sandbox.run(Job(("uname", "-r"), timeout=30))
        assert outcome.stdout.decode().strip() != os.uname().release, "that was this machine's own kernel"
        assert (await sandbox.health()).facts["runtime"] == "runsc"


async def test_our_own_walls_stand_below_gvisor_too(gvisor: SecondEngine, at: Callable[..., Any]) -> None:
    async with at(gvisor.url, "runsc") as sandbox:
        found = await walls(sandbox)
    assert set(found["ids"]) == {65532}
    assert (found["capabilities"], found["no_new_privileges"], found["setuid"]) == (0, 1, [])
    assert set(found["writes"].values()) <= {"EROFS", "EACCES"}
    assert (found["tmp_exec"], found["workspace_exec"]) == ("EACCES", "done 65532")
    assert found["interfaces"] == ["lo"]
    assert {found["connect"], found["metadata"]} <= {"EHOSTUNREACH", "ENETUNREACH"}
    assert set(found["families"].values()) == {"EAFNOSUPPORT"}
    assert set(found["syscalls"].values()) == {"EPERM"}
    assert (found["ptrace_1"], found["memory_1"]) == ([-1, "EPERM"], "EACCES")


async def test_what_gvisor_leaves_open_reaches_nothing_but_the_run_itself(
    gvisor: SecondEngine, at: Callable[..., Any]
) -> None:
    """It lets a program kill PID 1, write to its output and make device nodes. They open nothing, and the first two
    end or forge a run that was the program's own."""
    node = "import os; os.mknod('d', 0o60600, os.makedev(254, 0)); os.open('d', os.O_RDONLY)"
    memory = "import os; os.mknod('m', 0o20600, os.makedev(1, 1)); os.open('m', os.O_RDONLY)"
    forged = "import os; os.write(os.open('/proc/1/fd/1', os.O_WRONLY), b'R' + bytes(5))"
    async with at(gvisor.url, "runsc") as sandbox:
        for program in (node, memory):
            outcome = await sandbox.run(Job(("python3", "-c", program), timeout=30))
            assert outcome.exit_code == 1
            assert b"No such device" in outcome.stderr
        for program in ("import os; os.kill(1, 9)", forged):
            with pytest.raises(AstroError) as caught:
                await sandbox.run(Job(("python3", "-c", program), timeout=30))
            assert caught.value.code == "provider_failed"
        assert (await sandbox.run(Job(("echo", "well"), timeout=30))).stdout == b"well\n"


@pytest.mark.parametrize(("name", "said"), [("no-seccomp", "seccomp"), ("no-arguments", "network namespace|seccomp")])
async def test_a_runsc_that_leaves_a_wall_out_is_refused_with_what_to_do_or_in_its_own_words(
    gvisor: SecondEngine, at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setitem(NAMES, "runsc", (name,))
    async with at(gvisor.url, "runsc") as sandbox:
        error = await refused(sandbox)
    assert any(word in error.message for word in said.split("|"))
    assert isinstance(error, SandboxUnavailable) == ("hold" in error.message)
    if isinstance(error, SandboxUnavailable):
        assert "--oci-seccomp" in error.hint


@pytest.mark.parametrize(
    ("without", "named"),
    [
        ({"Memory": 0, "MemorySwap": 0}, "the memory limit"),
        ({"NanoCpus": 0}, "the CPU limit"),
        ({"PidsLimit": 0}, "the process limit"),
        ({"Ulimits": []}, "the process limit"),
    ],
)
async def test_a_limit_that_gvisor_hides_is_read_from_outside(
    gvisor: SecondEngine,
    at: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    without: dict[str, Any],
    named: str,
) -> None:
    real = hardening.container

    def ignoring(*args: Any, **kwargs: Any) -> dict[str, Any]:
        config = real(*args, **kwargs)
        return {**config, "HostConfig": {**config["HostConfig"], **without}}

    monkeypatch.setattr(hardening, "container", ignoring)
    async with at(gvisor.url, "runsc") as sandbox:
        assert named in (await refused(sandbox)).message


async def test_an_engine_whose_processes_are_not_this_machines_cant_show_gvisors_limits(
    gvisor: SecondEngine, at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(outside, "PROC", tmp_path)
    async with at(gvisor.url, "runsc") as sandbox:
        error = await refused(sandbox)
    assert "the memory limit, the process limit, the CPU limit" in error.message
    assert "on this machine" in error.hint


async def test_podman_runs_jobs_and_sessions_within_every_limit(rootful: str, at: Callable[..., Any]) -> None:
    async with at(rootful) as sandbox:
        await does_its_work(sandbox)
        found = await walls(sandbox)
    assert found["capabilities"] == 0
    assert found["filters"] >= 2
    assert set(found["writes"].values()) == {"EROFS"}
    assert found["interfaces"] == ["lo"]
    assert found["output_1"] == found["memory_1"] == "EACCES"


async def test_podman_makes_images_of_wheels_and_of_sources(rootful: str, make: Make, index: Path) -> None:
    wheel(index, "ready")
    sdist(index, "built", plain("built", requires=("ready",)))
    settings = {"engine": rootful, "warm": 0, "build_from_source": ("built",)}
    sandbox = make(LARGER.model_copy(update=settings))
    image = await sandbox.python_image("local", ["built"])
    assert await printed(sandbox, image, "import built, ready; print(built.version, ready.version)") == "1.0 1.0"
    await sandbox.close()


async def test_a_container_of_podmans_that_lost_its_owner_is_swept(
    rootful: str, at: Callable[..., Any], folder: Path
) -> None:
    labels = {**owner.labels(folder), owner.PROCESS: "1:0"}
    config = hardening.container(IMAGE, LARGER, labels, "", podman=True)
    with closing(docker.APIClient(rootful, version="auto")) as client:
        await anyio.to_thread.run_sync(client.create_container_from_config, config, "left")
    async with at(rootful) as sandbox:
        await sandbox.run(Job(("true",), timeout=30))


async def test_what_podman_adds_to_a_read_only_container_is_a_place_that_is_named(
    rootful: str, at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = hardening._mounts
    kept = ("/tmp", "/workspace")

    def fewer(*args: Any, **kwargs: Any) -> dict[str, str]:
        return {path: options for path, options in real(*args, **kwargs).items() if path in kept}

    monkeypatch.setattr(hardening, "_mounts", fewer)
    async with at(rootful) as sandbox:
        assert "no other place to write to" in (await refused(sandbox)).message


async def test_a_rootless_engine_to_which_nothing_is_delegated_is_refused_by_the_names_of_the_limits(
    at: Callable[..., Any],
) -> None:
    needed("podman")
    with podman(rootless=True) as url:
        load(url, IMAGE)
        async with at(url) as sandbox:
            error = await refused(sandbox)
            health = await sandbox.health()
    assert isinstance(error, SandboxUnavailable)
    assert "the memory limit, the process limit, the CPU limit" in error.message
    assert "rootless: delegate cpu, memory and pids" in error.hint
    assert health.facts["canary"] == "not run yet"


async def test_with_user_namespaces_jobs_and_sessions_run_as_nobody_here(
    remapped: SecondEngine, at: Callable[..., Any]
) -> None:
    found: list[str] = []

    async def look(stream: str, data: bytes) -> None:
        shown = await anyio.run_process(["docker", "-H", remapped.url, "ps", "-q"])
        asked = ["docker", "-H", remapped.url, "inspect", "-f", "{{.State.Pid}}", shown.stdout.decode().strip()]
        pid = (await anyio.run_process(asked)).stdout.decode().strip()
        found.append(Path(f"/proc/{pid}/uid_map").read_text())

    async with at(remapped.url) as sandbox:
        await sandbox.run(Job(("sh", "-c", "echo up; sleep 3"), timeout=30, on_output=look))
        assert found[0].split() == ["0", "200000", "65536"]
        await does_its_work(sandbox)
        walled = await walls(sandbox)
    assert walled["filters"] >= 2
    assert set(walled["writes"].values()) == {"EROFS"}


async def test_the_engine_of_the_context_that_was_chosen_gets_the_runs(
    remapped: SecondEngine, at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for words in (("create", "second", "--docker", f"host={remapped.url}"), ("use", "second")):
        subprocess.run(["docker", "context", *words], check=True, capture_output=True, timeout=20)
    made = Sandbox(LARGER, tmp_path / "images", RESOURCES)
    assert (await made.run(Job(("cat", "/proc/self/uid_map"), timeout=30))).stdout.split() == [
        b"0",
        b"200000",
        b"65536",
    ]
    await made.close()
