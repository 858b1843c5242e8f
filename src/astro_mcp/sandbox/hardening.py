"""What every container is made of, and the check that the engine did what it was told.

Limits are ignored on some engines (rootless without delegated cgroups, odd kernels), so PID 1 reads them back, and no
request is sent where one does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.config import RunLimits
from astro_mcp.errors import SandboxUnavailable
from astro_mcp.sandbox import hints

USER: Final = 65532
MIB: Final = 1 << 20
TMP_BYTES: Final = 64 * MIB
INODES: Final = 65_536
LARGEST_PACKAGED: Final = 4 << 30
PERIOD_NS: Final = 1_000_000_000


def container(
    image: str, limits: RunLimits, labels: Mapping[str, str], runtime: str, *, writable: bool = False
) -> dict[str, Any]:
    """The body of `POST /containers/create`. `runtime` is the engine's name of one, or empty for its default.
    `writable`: the root file system of an image that is being made."""
    memory = limits.memory_mb * MIB
    workspace = limits.workspace_mb * MIB
    mode = f"nosuid,nodev,size={{size}},nr_inodes={INODES}"
    mounts = {
        "/tmp": f"rw,noexec,{mode.format(size=TMP_BYTES)},mode=1777",  # noqa: S108 - a tmpfs inside of the container
        "/workspace": f"rw,exec,{mode.format(size=workspace)},mode=0700,uid={USER},gid={USER}",
    }
    of_processes = {"nofile": limits.open_files, "fsize": _largest_file(limits, writable), "core": 0}
    host = {
        "NetworkMode": "none",
        "ReadonlyRootfs": not writable,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": limits.processes,
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int(limits.cpus * PERIOD_NS),
        "Ulimits": [{"Name": name, "Soft": bound, "Hard": bound} for name, bound in of_processes.items()],
        "Tmpfs": mounts,
        "IpcMode": "private",
        "ShmSize": TMP_BYTES,
        "LogConfig": {"Type": "none"},
        "AutoRemove": not writable,
        "Privileged": False,
        "Runtime": runtime,
    }
    return {
        "Image": image,
        "Entrypoint": ["python3", "-I", "-S", "/opt/astro/supervisor"],
        "Cmd": [],
        "User": f"{USER}:{USER}",
        "WorkingDir": "/workspace",
        "Env": ["LANG=C.UTF-8"],
        "Labels": dict(labels),
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "NetworkDisabled": True,
        "HostConfig": host,
    }


def check(facts: Mapping[str, Any], limits: RunLimits, *, writable: bool = False) -> None:
    """Raises `SandboxUnavailable` naming each protection that PID 1 did not find."""
    try:
        missing = [name for name, holds in _held(facts, limits, writable=writable).items() if not holds]
    except (KeyError, TypeError, ValueError):
        missing = ["a whole answer"]
    if missing:
        raise SandboxUnavailable(
            f"this Docker engine does not hold what it was asked for: {', '.join(missing)}",
            hints.OTHER_ENGINE,
        )


def _held(facts: Mapping[str, Any], limits: RunLimits, *, writable: bool) -> dict[str, bool]:
    mounts, found = facts["mounts"], facts["limits"]
    workspace, tmp = mounts["/workspace"], mounts["/tmp"]  # noqa: S108 - a tmpfs inside of the container
    memory = limits.memory_mb * MIB
    return {
        "an unprivileged user": facts["uid"] == [USER] * 6 and set(facts["groups"]) <= {USER},
        "no capabilities": not any(facts["capabilities"]),
        "no new privileges": facts["no_new_privileges"] is True,
        "seccomp": facts["seccomp"] is True,
        "the memory limit": 0 < facts["memory"] <= memory,
        "the process limit": 0 < facts["processes"] <= limits.processes,
        "the CPU limit": 0 < facts["cpus"] <= limits.cpus + 0.01,
        "no network": facts["interfaces"] in (["lo"], []),
        "a read-only root": writable or mounts["/"]["read_only"] is True,
        "the workspace's bounds": _bounded(workspace, limits.workspace_mb * MIB),
        "the bounds of /tmp": _bounded(tmp, TMP_BYTES) and tmp["noexec"] is True,
        "the bounds of shared memory": _bounded(mounts["/dev/shm"], TMP_BYTES),  # noqa: S108 - the container's own
        "the limit of open files": 0 < found["NOFILE"] <= limits.open_files,
        "the limit of a file's size": 0 < found["FSIZE"] <= _largest_file(limits, writable),
        "no core dumps": found["CORE"] == 0,
    }


def _largest_file(limits: RunLimits, writable: bool) -> int:
    return LARGEST_PACKAGED if writable else limits.workspace_mb * MIB


def _bounded(mount: Mapping[str, Any], size: int) -> bool:
    return bool(mount["nosuid"] is True and mount["nodev"] is True and 0 < mount["bytes"] <= size + MIB)
