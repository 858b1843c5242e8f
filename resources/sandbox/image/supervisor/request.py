"""Takes the request: `J` what to run, `F` a file, `I` the child's stdin, `G` go. What still comes for connections of a
session's former turn is passed over.

It comes from the host and is believed; an error in it is told, and what is none raises `frames.Broken`, which ends
PID 1. What lies in the workspace is a former turn's, where the request is a session's.
"""

from __future__ import annotations

import json
import os
import struct

import frames

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Any, Final

WORKSPACE = "/workspace"
FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "argv": list,
    "build": list,
    "script": bool,
    "session": bool,
    "env": dict,
    "timeout": (int, float),
    "output_bytes": int,
    "collect": str,
    "collect_files": int,
    "collect_bytes": int,
    "egress": (dict, type(None)),
}
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Job:
    """The fields of a `J` frame, what is on stdin, and in `error` why it can't be run.

    `build`, where it is not empty, makes what argv runs. `script`: argv is a script for the interpreter that waits,
    which runs it itself; with `session` it stays for more. `egress`: the bounds of its connections, where it may have
    any.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        for name, kind in FIELDS.items():
            if not isinstance(fields.get(name, ...), kind):
                raise frames.Broken(f"{name} is missing, or of another kind")
        self.argv: list[str] = fields["argv"]
        self.build: list[str] = fields["build"]
        self.script: bool = fields["script"]
        self.session: bool = fields["session"]
        self.env: dict[str, str] = fields["env"]
        self.timeout: float = fields["timeout"]
        self.output_bytes: int = fields["output_bytes"]
        self.collect: str = fields["collect"]
        self.collect_files: int = fields["collect_files"]
        self.collect_bytes: int = fields["collect_bytes"]
        self.egress: dict[str, int] | None = fields["egress"]
        self.stdin = b""
        self.error = ""


def receive() -> Job | None:
    """The whole request, its files written; None where the host went away."""
    job: Job | None = None
    while True:
        head = frames.header()
        if head is None:
            return None
        kind, size = head
        if kind == b"G":
            return job
        if kind == b"F" and job is not None:
            if not _file(job, size):
                return None
            continue
        payload = frames.read(size)
        if payload is None:
            return None
        if kind == b"J":
            job = Job(_fields(payload))
            _make_folder(job)
        elif kind == b"I" and job is not None:
            job.stdin = payload


def _fields(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise frames.Broken("a job is a JSON object")
    return value


def _make_folder(job: Job) -> None:
    """The folder whose files come back. In a session a former turn may have put anything in its place: none do then."""
    try:
        if job.collect:
            _stay_inside(job.collect)
            os.makedirs(os.path.join(WORKSPACE, job.collect), exist_ok=True)
    except (OSError, ValueError) as error:
        if not job.session:
            job.error = f"{job.collect}: {_reason(error)}"


def _file(job: Job, size: int) -> bool:
    """One file into the workspace, a chunk at a time; an error is kept for the answer and the rest is skipped."""
    head = frames.read(3)
    if head is None:
        return False
    length, executable = struct.unpack(">HB", head)
    name = frames.read(length)
    left = size - 3 - length
    if left < 0:
        raise frames.Broken("a file's name is longer than its frame")
    if name is None:
        return False
    target = -1
    try:
        if not job.error:
            target = _create(name.decode(), 0o755 if executable else 0o644, again=job.session)
        while left:
            chunk = frames.read(min(left, frames.CHUNK))
            if chunk is None:
                return False
            left -= len(chunk)
            if not job.error:
                _write(target, chunk, job, name)
    except (OSError, ValueError) as error:
        job.error = f"{name.decode(errors='replace')}: {_reason(error)}"
        return left == 0 or frames.read(left) is not None
    finally:
        if target >= 0:
            os.close(target)
    return True


def _create(name: str, mode: int, *, again: bool) -> int:
    """A new file below the workspace; `again`: a former turn's may be in its place. No link is followed: what ran in a
    session before may have left one."""
    _stay_inside(name)
    *folders, last = name.split("/")
    at = os.open(WORKSPACE, FOLDER)
    try:
        for part in folders:
            try:  # noqa: SIM105 - contextlib is not imported: it would cost every run some milliseconds
                os.mkdir(part, 0o755, dir_fd=at)
            except FileExistsError:
                pass
            inner = os.open(part, FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        if again:
            try:  # noqa: SIM105 - as above
                os.unlink(last, dir_fd=at)
            except FileNotFoundError:
                pass
        return os.open(last, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=at)
    finally:
        os.close(at)


def _write(target: int, chunk: bytes, job: Job, name: bytes) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[os.write(target, view) :]
    except OSError as error:
        job.error = f"{name.decode(errors='replace')}: {error.strerror}"


def _stay_inside(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("leads out of the workspace")


def _reason(error: OSError | ValueError) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
