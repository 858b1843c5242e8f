"""Where the data folder and the daemon's socket lie, and when a folder may be trusted with one."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

VERSION: Final = "0.1.0"
NAME_MAX: Final = 107
"""A Unix socket's address holds 108 bytes, the closing NUL among them."""


class ShimError(Exception):
    """One line for stderr, and the exit status."""

    def __init__(self, message: str, status: int = 3) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def data_folder(environment: Mapping[str, str]) -> str:
    """`ASTRO_MCP_HOME`, else the platform's folder for data. Raises `ShimError` where that is not absolute."""
    if asked := environment.get("ASTRO_MCP_HOME"):
        folder = os.path.expanduser(asked)
        if not os.path.isabs(folder):
            raise ShimError(f"ASTRO_MCP_HOME is not an absolute path: {asked}", 2)
        return os.path.realpath(folder)
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.realpath(os.path.join(home, "Library", "Application Support", "astro-mcp"))
    base = environment.get("XDG_DATA_HOME", "")
    if not os.path.isabs(base):  # the specification: a relative path is to be ignored
        base = os.path.join(home, ".local", "share")
    return os.path.realpath(os.path.join(base, "astro-mcp"))


def socket_path(folder: str, environment: Mapping[str, str]) -> str:
    """The socket of `folder`'s daemon. Raises `ShimError` where the path is too long for an address."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    path = os.path.join(folder, "daemon.sock")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        from hashlib import sha256  # noqa: PLC0415 - 4 ms that only this branch pays

        name = sha256(os.fsencode(folder)).hexdigest()[:16] + ".sock"
        path = os.path.join(runtime, "astro-mcp", name)
    if len(os.fsencode(path)) > NAME_MAX:
        raise ShimError(f"the socket's path is over {NAME_MAX} bytes: {path}; set a shorter ASTRO_MCP_HOME")
    return path


def make_private(folder: str) -> None:
    """Make `folder`, readable by its owner alone, where it is missing; then the same as `check_private`."""
    if not os.path.lexists(folder):
        try:
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            with suppress(FileExistsError):  # another shim was first; the check below is what counts
                os.mkdir(folder, 0o700)
        except OSError as error:
            raise ShimError(f"{folder} can't be made: {error.strerror}") from None
    check_private(folder)


def check_private(folder: str) -> None:
    """Raises `ShimError` unless `folder` is a real folder of this user that nobody else can enter."""
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise ShimError(f"{folder}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise ShimError(f"{folder} is not a folder (a link is refused too)")
    if found.st_uid != os.geteuid():
        raise ShimError(f"{folder} belongs to user {found.st_uid}, not to you")
    if found.st_mode & 0o077:
        raise ShimError(f"{folder} is open to others; close it: chmod 700 '{folder}'")
