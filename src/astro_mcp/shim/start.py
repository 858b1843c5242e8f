"""Finds the data folder's daemon, or starts it: clean environment, own session, one of it however many shims ask."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.shim.hello import NETWORK, NETWORK_PREFIXES, greet
from astro_mcp.shim.place import ShimError, check_private, make_private, socket_path

START_SECONDS: Final = 30.0
REPLY_SECONDS: Final = 10.0
READY: Final = 3
"""The descriptor on which a starting daemon says that it is ready, or why it is not."""

_KEPT: Final = NETWORK | {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
}
_KEPT_PREFIXES: Final = ("ASTRO_MCP_", *NETWORK_PREFIXES, "LC_")


def connect(
    folder: str, environment: Mapping[str, str], hello: Mapping[str, Any], *, start: bool = True
) -> tuple[socket.socket, dict[str, Any]] | None:
    """A greeted connection to `folder`'s daemon and its answer; None where there is none and `start` is False.

    Raises `ShimError`: a folder that can't be trusted, a daemon that refuses or does not start.
    """
    deadline = time.monotonic() + START_SECONDS
    make_private(folder)
    while True:
        link = _dial(folder, environment)
        if link is None:
            if not start:
                return None
            _start_once(folder, environment, deadline)
            continue
        reply = greet(link, hello, REPLY_SECONDS)
        if reply is not None:
            return link, reply
        link.close()
        if time.monotonic() > deadline:
            raise ShimError("the daemon hangs up on every greeting; its log is in the data folder's logs/")
        time.sleep(0.02)


def _dial(folder: str, environment: Mapping[str, str]) -> socket.socket | None:
    """The daemon's socket: where the rule says, else where the lock's holder says that it listens (its
    XDG_RUNTIME_DIR may be another than ours)."""
    for path in dict.fromkeys((socket_path(folder, environment), _recorded(folder))):
        if not path or not os.path.lexists(path):
            continue
        check_private(os.path.dirname(path))
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.connect(path)
        except OSError as error:
            link.close()
            if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
                continue
            raise ShimError(f"{path}: {error.strerror}") from None
        uid = peer_uid(link)
        if uid != os.geteuid():
            link.close()
            raise ShimError(f"the daemon at {path} runs as user {uid}, not as you")
        return link
    return None


def _recorded(folder: str) -> str:
    try:
        with open(os.path.join(folder, "lock"), encoding="utf-8") as file:
            return str(json.loads(file.read(4096)).get("socket", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def peer_uid(link: socket.socket) -> int:
    """The user at the other end, as the kernel knows it; -1 where it does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        return int(struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
    if sys.platform == "darwin":  # struct xucred by LOCAL_PEERCRED: version, uid, …
        return int(struct.unpack("2I", link.getsockopt(0, 1, 76)[:8])[1])
    return -1


def _start_once(folder: str, environment: Mapping[str, str], deadline: float) -> None:
    """Start the daemon, unless another shim did so while this one waited for its turn."""
    descriptor = os.open(os.path.join(folder, "start.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise ShimError("another host has been starting the daemon for too long") from None
                time.sleep(0.01)
        link = _dial(folder, environment)
        if link is not None:
            link.close()
            return
        _await_ready(_spawn(folder, environment), deadline, folder)
    finally:
        os.close(descriptor)


def _spawn(folder: str, environment: Mapping[str, str]) -> int:
    """Start the daemon as nobody's child; returns the descriptor on which it will say that it is ready."""
    if not sys.executable:
        raise ShimError("this Python does not know its own executable; start it by an absolute path")
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:  # the second fork: a host that ends its children's tree does not find the daemon
                _become_daemon(folder, environment, theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    return ours


def _become_daemon(folder: str, environment: Mapping[str, str], ready: int) -> None:
    os.umask(0o077)
    os.chdir(folder)
    os.makedirs("logs", 0o700, exist_ok=True)
    errors = os.open("logs/daemon.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(ready, READY)
    os.set_inheritable(READY, True)
    os.dup2(nothing, 0)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    os.closerange(READY + 1, 4096)
    command = [sys.executable, "-I", "-X", "utf8", "-m", "astro_mcp", "daemon", "run", f"--ready={READY}"]
    os.execve(sys.executable, command, clean_environment(folder, environment))  # noqa: S606 - our own interpreter, no shell


def clean_environment(folder: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a daemon is given of a host's environment: an allowlist, absolute folders of PATH, the data folder."""
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    folders = [part for part in kept.get("PATH", "").split(os.pathsep) if os.path.isabs(part)]
    kept["PATH"] = os.pathsep.join(folders) or os.defpath
    kept["ASTRO_MCP_HOME"] = folder
    kept["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # no stranger's code at the start, and no search for it
    return kept


def _await_ready(descriptor: int, deadline: float, folder: str) -> None:
    said = b""
    try:
        while not said.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise ShimError(f"the daemon was not ready within {START_SECONDS:g} s; see {folder}/logs")
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise ShimError(f"the daemon ended while it started; see {folder}/logs/daemon.err")
            said += chunk
    finally:
        os.close(descriptor)
    answer = json.loads(said)
    if error := answer.get("error"):
        hint = f" ({error['hint']})" if error.get("hint") else ""
        raise ShimError(f"{error['message']}{hint}", int(error.get("exit", 3)))
