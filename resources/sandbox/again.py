"""One run of a program in a container that stays up: `again.py FOLDER FILE`, in the interpreter that waits there.

On stdin: argv, and the paths of files that are gone since the run before and of those that came, as one JSON object.
The program is a process of its own and finds what it would find in a fresh container: the workspace's files and no
others, nothing in /tmp and in FOLDER, no other process. Where that was so, and all else in the workspace is afterwards
as it was, FILE is in FOLDER at the end; where not, who called throws the container and the answer away. This
interpreter can't be traced by the program.
"""
# ruff: noqa: E402 - before anything is imported, a folder that may be the project's goes off the path

from __future__ import annotations

import sys

sys.path[0] = "/opt/astro"

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
import types
from typing import Any

PR_SET_DUMPABLE = 4
WORKSPACE = "/workspace"
SHARED = [folder for folder in ("/tmp", "/dev/shm", "/dev/mqueue") if os.path.isdir(folder)]  # noqa: S108 - the container's own
END_SECONDS = 2.0
NOT_FOUND = 127
HELD: Any = sys.modules.setdefault("astro_again_held", types.ModuleType("astro_again_held"))
"""Stays from run to run: `state` is how the workspace was after the last one, where that is known."""
State = dict[str, tuple[int, int, int]]


def main(folder: str, certain: str) -> int:
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    given = json.load(sys.stdin)
    for path in given["gone"]:
        remove(path)
    out = os.path.join(WORKSPACE, folder)
    for place in (out, *SHARED):
        empty(place)
    held, HELD.state = getattr(HELD, "state", None), None
    before = state(out) if held is None else brought_up(held, [*given["gone"], *given["came"]])
    code = run(given["argv"])
    if alone() and state(out) == before:
        HELD.state = before
        with open(os.path.join(out, certain), "xb"):
            pass
    return code


def remove(path: str) -> None:
    """The file, and the folders that it leaves empty."""
    os.unlink(path)
    with contextlib.suppress(OSError):  # one of them holds something
        os.removedirs(os.path.dirname(path))


def empty(folder: str) -> None:
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


def run(argv: list[str]) -> int:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, start_new_session=True)  # noqa: S603 - in the sandbox
    except (OSError, ValueError) as error:
        os.write(2, f"{argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode())
        return NOT_FOUND
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def alone() -> bool:
    """Kill what the program left; whether nothing but this and PID 1, which reaps them, is there then."""
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return True
        time.sleep(0.001)
    return False


def brought_up(held: State, paths: list[str]) -> State:
    """`held` with what is at `paths`, and in the folders above them, as it is now: nothing runs between two runs that
    could have changed more."""
    for path in paths:
        place = os.path.join(WORKSPACE, path)
        while place != WORKSPACE:
            try:
                held[place] = facts(os.lstat(place))
            except OSError:
                held.pop(place, None)
            place = os.path.dirname(place)
    return held


def state(out: str) -> State:
    """Of every file and folder of the workspace, but for what is in `out`: what tells one state from the next."""
    found: State = {}
    folders = [WORKSPACE]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.path != out:
                    found[entry.path] = facts(entry.stat(follow_symlinks=False))
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    return found


def facts(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_ino, status.st_ctime_ns


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
