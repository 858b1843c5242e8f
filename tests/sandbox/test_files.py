"""Files on the way in and on the way out."""

from __future__ import annotations

import pytest
from tests.sandbox.rig import SMALL, Python

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.sandbox import frames
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

HOSTILE = """
import os, socket
os.symlink('/etc/passwd', 'out/link')
os.link('/workspace/kept', 'out/hard')
os.mkfifo('out/fifo')
socket.socket(socket.AF_UNIX).bind('out/socket')
os.mkdir('out/shut'); open('out/shut/x', 'w').close(); os.chmod('out/shut', 0)
open(b'out/\\xff', 'w').close()
open('out/line\\nfeed', 'w').close()
os.symlink('/etc', 'out/folder')
os.makedirs('out/a/b'); open('out/a/b/c', 'w').write('deep')
"""


async def test_files_arrive_with_their_modes_and_come_back_with_them(python: Python) -> None:
    given = (SandboxFile("a/tool", b"#!/bin/sh\necho ran\n", executable=True), SandboxFile("a/ü", b"\0\xff"))
    code = "import os,shutil;os.system('a/tool');shutil.copy('a/tool','out/tool');shutil.copy('a/ü','out/ü')"
    outcome = await python(code, files=given)
    assert outcome.stdout == b"ran\n"
    assert outcome.files == (SandboxFile("tool", given[0].data, executable=True), SandboxFile("ü", b"\0\xff"))


async def test_only_regular_files_come_back_and_the_rest_is_named(python: Python) -> None:
    outcome = await python(HOSTILE, files=(SandboxFile("kept", b"own"),))
    assert {file.path: file.data for file in outcome.files} == {"hard": b"own", "a/b/c": b"deep"}
    assert outcome.limits_hit == ("files",)
    assert set(outcome.withheld) == {
        "link",
        "fifo",
        "socket",
        "shut",
        "\\xff".replace("\\x", "\\udc"),
        "line\nfeed",
        "folder",
    }


async def test_a_symlink_in_place_of_out_exports_nothing(python: Python) -> None:
    outcome = await python("import os; os.rmdir('out'); os.symlink('/etc', 'out')")
    assert outcome.files == ()


async def test_what_is_over_the_bounds_is_named_and_not_cut(python: Python) -> None:
    code = f"for n in range({frames.COLLECT_FILES + 3}): open(f'out/{{n:04}}','w').close()"
    outcome = await python(code)
    assert len(outcome.files) == frames.COLLECT_FILES
    assert outcome.withheld == ("0500", "0501", "0502")


async def test_standard_input_arrives_and_output_streams_while_it_runs(python: Python) -> None:
    seen: list[tuple[str, bytes]] = []

    async def on_output(stream: str, data: bytes) -> None:
        seen.append((stream, data))

    code = "import sys,time;print(sys.stdin.read(),flush=True);time.sleep(.2);print('two',file=sys.stderr)"
    outcome = await python(code, stdin=b"one", on_output=on_output)
    assert seen == [("stdout", b"one\n"), ("stderr", b"two\n")]
    assert (outcome.stdout, outcome.stderr) == (b"one\n", b"two\n")


async def test_a_program_that_is_not_there_exits_with_127(sandbox: Sandbox) -> None:
    outcome = await sandbox.run(Job(("no-such-program",)))
    assert (outcome.exit_code, outcome.stderr) == (127, b"no-such-program: No such file or directory\n")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a//b", "a/./b", "", "a\0b", "a\nb", "x" * 2000])
async def test_an_unsafe_path_is_refused_before_anything_starts(sandbox: Sandbox, path: str) -> None:
    with pytest.raises(InvalidInput):
        await sandbox.run(Job(("true",), files=(SandboxFile(path, b""),)))


async def test_files_over_the_workspaces_size_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(TooLarge):
        await sandbox.run(Job(("true",), files=(SandboxFile("x", bytes((SMALL.workspace_mb << 20) + 1)),)))


async def test_a_timeout_over_the_operators_bound_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidInput, match="600"):
        await sandbox.run(Job(("true",), timeout=601))
