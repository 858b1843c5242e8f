"""One run of a program in a container that stays up: `again.py FOLDER FILE`, in the interpreter that waits there.

On stdin: argv, and the paths of files that are gone since the run before, as one JSON object. The program is a process
of its own and finds what it would find in a fresh container: the workspace's files and no others, nothing in /tmp and
in FOLDER, no other process. Where that was so, and all else in the workspace is afterwards as it was, FILE is in FOLDER
at the end; where not, who called throws the container and the answer away. This interpreter can't be traced by the
program.
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

PR_SET_DUMPABLE = 4
WORKSPACE = "/workspace"
SHARED = [folder for folder in ("/tmp", "/dev/shm", "/dev/mqueue") if os.path.isdir(folder)]  # noqa: S108 - the container's own
END_SECONDS = 2.0
NOT_FOUND = 127


def main(folder: str, certain: str) -> int:
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    given = json.load(sys.stdin)
    for path in given["gone"]:
        remove(path)
    out = os.path.join(WORKSPACE, folder)
    for place in (out, *SHARED):
        empty(place)
    before = state(out)
    code = run(given["argv"])
    if alone() and state(out) == before:
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


def state(out: str) -> dict[str, tuple[int, int, int]]:
    """Of every file and folder of the workspace, but for what is in `out`: what tells one state from the next."""
    found: dict[str, tuple[int, int, int]] = {}
    folders = [WORKSPACE]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.path != out:
                    status = entry.stat(follow_symlinks=False)
                    found[entry.path] = status.st_mode, status.st_ino, status.st_ctime_ns
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
