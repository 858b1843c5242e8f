"""An engine that is reached over TCP: it runs jobs, and a connection that is reset costs one run and no more."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest
from tests.sandbox.forwarder import Forwarder, forwarder
from tests.sandbox.rig import SMALL, Containers, Make

from astro_mcp.errors import AstroError
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.pool import Sort
from astro_mcp.sandbox.sandbox import Sandbox

pytestmark = pytest.mark.full

PATIENCE = 60
BYTES = bytes(range(256)) * 4000
JOB = Job(("sh", "-c", "cp big out/; cat; echo end >&2"), (SandboxFile("big", BYTES),), stdin=b"given")


@pytest.fixture
def link() -> Iterator[Forwarder]:
    with forwarder("/var/run/docker.sock") as made:
        yield made


@pytest.fixture
def far(make: Make, link: Forwarder, tidy: None) -> Sandbox:
    return make(SMALL.model_copy(update={"engine": link.url, "warm": 2}))


async def works(sandbox: Sandbox) -> None:
    outcome = await sandbox.run(JOB)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, b"given", b"end\n")
    assert [(file.path, file.data) for file in outcome.files] == [("big", BYTES)]


async def none_left(sandbox: Sandbox, containers: Containers) -> None:
    await sandbox.close()
    with anyio.fail_after(PATIENCE):
        while await containers():
            await anyio.sleep(0.05)


async def test_a_job_runs_as_it_does_over_a_socket(far: Sandbox, containers: Containers) -> None:
    assert (await far.health()).detail.startswith("Docker at tcp://127.0.0.1:")
    await works(far)
    await none_left(far, containers)


async def test_a_connection_that_is_reset_in_the_middle_of_a_run_is_told_and_may_be_tried_again(
    far: Sandbox, link: Forwarder, containers: Containers
) -> None:
    async def on_output(stream: str, data: bytes) -> None:
        assert link.reset() >= 1

    with pytest.raises(AstroError) as caught, anyio.fail_after(PATIENCE):
        await far.run(Job(("sh", "-c", "echo up; sleep 300"), timeout=400, on_output=on_output))
    assert (caught.value.retryable, bool(caught.value.hint)) == (True, True), caught.value
    await works(far)
    await none_left(far, containers)


async def test_a_waiting_container_whose_connection_was_reset_is_not_handed_out(
    far: Sandbox, link: Forwarder, containers: Containers
) -> None:
    async with far.warm():
        await works(far)
        pool = far._pool
        assert pool is not None
        with anyio.fail_after(PATIENCE):
            while not pool.counts().get(far.tag):
                await anyio.sleep(0.01)
        [dead] = pool._shelves[Sort(far.tag, far.limits())].waiting
        assert dead.alive()
        link.reset()
        with anyio.fail_after(PATIENCE):
            while dead.alive():
                await anyio.sleep(0.01)
        await works(far)
    await none_left(far, containers)
