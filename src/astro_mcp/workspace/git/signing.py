"""Commits signed by a program that the operator names. Git itself signs nothing: it would go by configuration.

The program gets the commit on its standard input and gives the signature on its output, as `gpg` and `ssh-keygen` do,
in an environment from nothing. What others could have put in its place is not run.
"""

from __future__ import annotations

import math
import os
import pwd
import signal
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, Process

from astro_mcp.config import GitSettings
from astro_mcp.errors import TimedOut, Unavailable
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.repository import Repository

SECONDS: Final = 30.0
"""For one signature: a program that waits for a person's word at this machine has to get it in that time."""
LONGEST: Final = 64 * 1024
"""Bytes of a signature."""
_BEGINS: Final = {"openpgp": b"-----BEGIN PGP SIGNATURE-----", "ssh": b"-----BEGIN SSH SIGNATURE-----"}
_SETTING: Final = "the operator's setting git.signing_program names it"


async def signed(repository: Repository, sha: str, settings: GitSettings) -> str:
    """The same commit with a signature; returns its sha. Raises `Unavailable` (the program is not fit to be run, or
    gives no signature) and `TimedOut`: no commit is made without one where the operator wants it."""
    program = Path(settings.signing_program)
    await repository.blocking(lambda: check_program(program, repository.place("").root))
    commit = (await repository.git("cat-file", "commit", sha)).out
    told = repository.private.folder / "signing"
    await repository.blocking(lambda: told.write_bytes(commit))
    signature = await _signature([str(program), *_arguments(settings)], told, _BEGINS[settings.signing_format])
    head, _, message = commit.partition(b"\n\n")
    body = head + b"\ngpgsig " + signature.strip().replace(b"\n", b"\n ") + b"\n\n" + message
    ran = await repository.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=body)
    return ran.out.decode().strip()


def check_program(program: Path, root: Path) -> None:
    """Raise `Unavailable` unless it is a program that nobody but root and this user could have put there, and that lies
    outside of the workspace `root`. Blocks."""
    try:
        real = program.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):
        raise Unavailable(f"{program} is not there, so nothing can be signed", _SETTING) from None
    if not stat.S_ISREG(status.st_mode) or not os.access(real, os.X_OK):
        raise Unavailable(f"{program} is no program, so nothing can be signed", _SETTING)
    if real.is_relative_to(root):
        raise Unavailable(f"{program} lies in the workspace, so it is not run", _SETTING)
    for path in (real, *real.parents):
        found = path.stat()
        shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
        if found.st_uid not in (0, os.geteuid()) or shared:
            raise Unavailable(
                f"{program} is not run, since others could change {path}",
                "let it and the folders above belong to root or to this user, writable by nobody else",
            )


def _arguments(settings: GitSettings) -> Sequence[str]:
    """As git(1) calls them; see gpg(1), and PROTOCOL.sshsig for the namespace."""
    if settings.signing_format == "ssh":
        return ("-Y", "sign", "-n", "git", "-f", settings.signing_key)
    return ("--batch", "--detach-sign", "--armor", "--local-user", settings.signing_key)


async def _signature(command: Sequence[str], commit: Path, begins: bytes) -> bytes:
    told: tuple[int, bytes, bytes] | None = None
    with anyio.move_on_after(SECONDS):
        try:
            told = await _ran(command, commit)
        except OSError as error:
            raise Unavailable(f"{command[0]} can't be started: {os.strerror(error.errno or 0)}", _SETTING) from None
    if told is None:
        raise TimedOut(f"the signature took longer than {SECONDS:g} s", "nothing was committed")
    code, out, err = told
    if code or not out.startswith(begins) or b"\0" in out or len(out) > LONGEST:
        said = printable(err.decode("utf-8", "replace").strip()[-200:], 200)
        raise Unavailable(f"{command[0]} gave no signature ({code}): {said}", "nothing was committed")
    return out


async def _ran(command: Sequence[str], commit: Path) -> tuple[int, bytes, bytes]:
    """Exit status, and what it says on both streams, of which more than a signature's bytes is not kept. One that gives
    more for a signature is ended then. It is gone in any case, with all that it started and that is of its session."""
    home = pwd.getpwuid(os.geteuid()).pw_dir
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": home}
    # a file: a program that does not read all of a pipe would break it; a start that is cancelled would leave what it
    # has started by then
    with commit.open("rb") as stdin, anyio.CancelScope(shield=True):
        process = await anyio.open_process(
            command, stdin=stdin, stdout=PIPE, stderr=PIPE, cwd="/", env=environment, start_new_session=True
        )
    out, err = bytearray(), bytearray()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_heard, process.stderr, err)
            await _heard(process.stdout, out, LONGEST)
            if len(out) > LONGEST:
                _end(process)
        return await process.wait(), bytes(out), bytes(err)
    finally:
        _end(process)
        with anyio.CancelScope(shield=True):
            await process.aclose()


def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _heard(stream: ByteReceiveStream | None, kept: bytearray, most: float = math.inf) -> None:
    """Until it ends, or `most` bytes were said."""
    if stream is None:
        raise AssertionError("it was started with pipes")
    async for chunk in stream:
        kept += chunk[: LONGEST + 1 - len(kept)]
        if len(kept) > most:
            return
