"""The child process that reads what may be broken: bounded in time and in what it says, and gone in the end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio
import pytest

from astro_mcp.documents import child

LONG = 60.0
MEGABYTE = 1_000_000


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def with_a_child_of_its_own(folder: Path, then: str) -> list[str]:
    """Writes the ids of both to `folder`."""
    return python(
        "import os, subprocess, sys\n"
        "other = subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL)\n"
        f"open({str(folder / 'made')!r}, 'w').write(f'{{os.getpid()}} {{other.pid}}')\n"
        f"os.rename({str(folder / 'made')!r}, {str(folder / 'ids')!r})\n{then}\n"
    )


async def gone(folder: Path) -> bool:
    if not (folder / "ids").exists():  # it had no time to start anything
        return True
    ids = [int(word) for word in (folder / "ids").read_text().split()]
    with anyio.move_on_after(5):
        while any(alive(number) for number in ids):
            await anyio.sleep(0.01)
    return not any(alive(number) for number in ids)


def alive(number: int) -> bool:
    """A process that has ended and waits for whoever takes it is none."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_it_reads_what_it_is_given_and_says_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "word")
    code = (
        "import json, os, sys\n"
        "json.dump([len(sys.stdin.read()), dict(os.environ), os.getcwd()], sys.stdout)\n"
        "sys.exit(3)"
    )
    output, status = await child.run(python(code), LONG, MEGABYTE, b"x" * 300_000)
    length, environment, folder = json.loads(output)
    assert (length, environment.get("LANG"), folder, status) == (300_000, "C.UTF-8", "/", 3)
    assert environment.keys() <= {"LANG", "LC_CTYPE"}
    output, _ = await child.run(python(code), LONG, MEGABYTE)
    assert json.loads(output)[0] == 0


async def test_it_need_not_read_what_it_is_given() -> None:
    assert await child.run(python("print(1)"), LONG, MEGABYTE, b"x" * 5_000_000) == (b"1\n", 0)


@pytest.mark.parametrize(
    "then", ["other.wait()", pytest.param("os.close(1); other.wait()", marks=pytest.mark.full, id="mute")]
)
async def test_at_its_deadline_it_is_gone_with_what_it_started(tmp_path: Path, then: str) -> None:
    with pytest.raises(TimeoutError):
        await child.run(with_a_child_of_its_own(tmp_path, then), 1.0, MEGABYTE, b"x" * MEGABYTE)
    assert await gone(tmp_path)


async def test_where_it_says_too_much_it_is_gone_at_once(tmp_path: Path) -> None:
    endless = "while True: sys.stdout.write('x' * 9_999)"
    with anyio.fail_after(LONG / 2), pytest.raises(child.TooMuch):
        await child.run(with_a_child_of_its_own(tmp_path, endless), LONG, 20_000, b"x" * MEGABYTE)
    assert await gone(tmp_path)


async def test_it_ends_with_the_call_that_needs_it(tmp_path: Path) -> None:
    argv = with_a_child_of_its_own(tmp_path, "other.wait()")
    with anyio.fail_after(LONG / 2):
        async with anyio.create_task_group() as group:
            group.start_soon(child.run, argv, LONG, MEGABYTE, b"x" * MEGABYTE)
            while not os.path.exists(tmp_path / "ids"):
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
    assert await gone(tmp_path)


async def test_what_it_leaves_running_ends_with_it(tmp_path: Path) -> None:
    assert (await child.run(with_a_child_of_its_own(tmp_path, "os._exit(0)"), LONG, 10))[1] == 0
    assert await gone(tmp_path)
