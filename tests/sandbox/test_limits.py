"""What ran out is told, and what came before is kept."""

from __future__ import annotations

from tests.quickest import given_more
from tests.sandbox.rig import SMALL, Python

FORK_BOMB = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"


async def test_a_fork_bomb_ends_at_the_deadline_within_its_processes(python: Python) -> None:
    outcome = await given_more(
        1.5, lambda seconds: python(FORK_BOMB, timeout=seconds), lambda outcome: "processes" in outcome.limits_hit
    )
    assert outcome.limits_hit == ("processes", "timeout")


async def test_memory_beyond_the_limit_is_a_kill_that_is_told(python: Python) -> None:
    outcome = await python("print('before', flush=True); x = bytearray(10**9); x[::4096] = bytes(len(x[::4096]))")
    assert outcome.exit_code == 137
    assert outcome.limits_hit == ("memory",)
    assert outcome.stdout == b"before\n"


async def test_a_full_workspace_is_told_and_its_files_still_come_back(python: Python) -> None:
    outcome = await python(
        "open('out/small','w').write('kept')\n"
        "try:\n with open('full','wb') as file:\n  while True: file.write(bytes(1<<20))\n"
        "except OSError as error: print(error.strerror)\n"
    )
    assert "disk" in outcome.limits_hit
    assert outcome.stdout in (b"No space left on device\n", b"File too large\n")
    assert [file.data for file in outcome.files] == [b"kept"]


async def test_a_flood_of_output_is_kept_up_to_the_bound(python: Python) -> None:
    outcome = await python("import sys\nfor _ in range(5000): sys.stdout.write('x' * 1000)\nsys.stderr.write('end')")
    assert outcome.exit_code == 0
    assert outcome.limits_hit == ("output",)
    assert outcome.stdout == b"x" * SMALL.output_bytes
    assert outcome.stderr == b"end"


async def test_output_and_files_from_before_a_timeout_are_kept(python: Python) -> None:
    code = "import time;print('begun',flush=True);open('out/a','w').write('1');time.sleep(60)"
    outcome = await given_more(1.0, lambda seconds: python(code, timeout=seconds), lambda outcome: bool(outcome.files))
    assert (outcome.exit_code, outcome.limits_hit, outcome.stdout) == (137, ("timeout",), b"begun\n")
    assert [file.path for file in outcome.files] == ["a"]


async def test_processes_left_behind_end_with_the_program(python: Python) -> None:
    outcome = await python("import subprocess;subprocess.Popen(['sleep','60'],start_new_session=True);print('gone')")
    assert (outcome.exit_code, outcome.stdout) == (0, b"gone\n")
    assert outcome.run_ms < 50_000, "nobody waited for what was left behind"
