"""What git says late is heard as fast as it is said."""

from __future__ import annotations

import subprocess
import sys

import anyio

from astro_mcp.workspace.git.child import Child

LATE = "import sys, time; time.sleep(0.15); sys.stdout.buffer.write(bytes(8_000_000))"


async def test_much_that_begins_late_is_read_without_pauses_that_grow() -> None:
    pipe = subprocess.PIPE
    argv = [sys.executable, "-S", "-c", LATE]
    child = Child(subprocess.Popen(argv, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True))
    said = 0
    try:
        with anyio.fail_after(10):
            while chunk := await child.receive():
                said += len(chunk)
    finally:
        await child.close()
    assert said == 8_000_000
