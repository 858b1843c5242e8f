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
from astro_mcp.sandbox.runtimes import NAMES

USER: Final = 65532
MIB: Final = 1 << 20
TMP_BYTES: Final = 64 * MIB
INODES: Final = 65_536
LARGEST_PACKAGED: Final = 4 << 30
PERIOD_NS: Final = 1_000_000_000
WRITABLE: Final = frozenset({"/tmp", "/workspace", "/dev/shm", "/dev/mqueue"})  # noqa: S108 - the container's own
RUNSC: Final = (
    'runsc needs "runtimeArgs": ["--oci-seccomp", "--network=none"] in daemon.json of an engine on this machine'
)


def container(
    image: str,
    limits: RunLimits,
    labels: Mapping[str, str],
    runtime: str,
    *,
    writable: bool = False,
    podman: bool = False,
) -> dict[str, Any]:
    """The body of `POST /containers/create`. `runtime` is the engine's name of one, or empty for its default.
    `writable`: the root file system of an image that is being made. `podman`: as Podman takes it."""
    memory = limits.memory_mb * MIB
    of_processes = {"nofile": limits.open_files, "fsize": _largest_file(limits, writable), "core": 0}
    processes = limits.processes
    if runtime in NAMES["runsc"]:
        of_processes["nproc"] = (
            processes  # gVisor counts a container's; Linux would count the user's in every container
        )
        processes = _threads(limits)
    host = {
        "NetworkMode": "none",
        "ReadonlyRootfs": not writable,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": processes,
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int(limits.cpus * PERIOD_NS),
        "Ulimits": [{"Name": name, "Soft": bound, "Hard": bound} for name, bound in of_processes.items()],
        "Tmpfs": _mounts(limits, podman=podman),
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


def _mounts(limits: RunLimits, *, podman: bool) -> dict[str, str]:
    """Podman takes neither owners nor a bound of inodes (which are memory of the run as well): the workspace has the
    mode that it has in the image. And it adds two file systems of its own, which nobody may write to."""
    tmp, workspace = f"nosuid,nodev,size={TMP_BYTES}", f"nosuid,nodev,size={limits.workspace_mb * MIB}"
    if podman:
        added = dict.fromkeys(("/run", "/var/tmp"), "ro,noexec,nosuid,nodev,size=4096")  # noqa: S108 - the container's
        return {"/tmp": f"rw,noexec,{tmp},mode=1777", "/workspace": f"rw,exec,{workspace}", **added}  # noqa: S108 - as above
    inodes = f"nr_inodes={INODES}"
    return {
        "/tmp": f"rw,noexec,{tmp},{inodes},mode=1777",  # noqa: S108 - a tmpfs inside of the container
        "/workspace": f"rw,exec,{workspace},{inodes},mode=0700,uid={USER},gid={USER}",
    }


def check(facts: Mapping[str, Any], limits: RunLimits, *, writable: bool = False) -> None:
    """Raises `SandboxUnavailable` naming each protection that PID 1 did not find. Below gVisor `facts` has, as
    `outside`, what `outside.limits` found."""
    try:
        missing = [name for name, holds in _held(facts, limits, writable=writable).items() if not holds]
    except (KeyError, TypeError, ValueError):
        missing = ["a whole answer"]
    if missing:
        raise SandboxUnavailable(
            f"this Docker engine does not hold what it was asked for: {', '.join(missing)}",
            RUNSC if facts.get("outside") else hints.OTHER_ENGINE,
        )


def _held(facts: Mapping[str, Any], limits: RunLimits, *, writable: bool) -> dict[str, bool]:
    mounts, found = facts["mounts"], facts["limits"]
    workspace, tmp, shared = mounts["/workspace"], mounts["/tmp"], mounts["/dev/shm"]  # noqa: S108 - the container's own
    memory = limits.memory_mb * MIB
    gvisor = bool(facts.get("outside"))
    seen = facts["outside"] if gvisor else facts
    return {
        "an unprivileged user": facts["uid"] == [USER] * 6 and set(facts["groups"]) <= {USER},
        "no capabilities": not any(facts["capabilities"]),
        "no new privileges": facts["no_new_privileges"] is True,
        "seccomp": facts["seccomp"] is True,
        "the memory limit": 0 < seen["memory"] <= memory,
        "the process limit": _few(facts, limits),
        "the CPU limit": 0 < seen["cpus"] <= limits.cpus + 0.01,
        "no network": facts["interfaces"] in (["lo"], []),
        "a read-only root": writable or mounts["/"]["read_only"] is True,
        "no other place to write to": set(facts["writable"]) <= WRITABLE,
        "the workspace's bounds": _bounded(workspace, limits.workspace_mb * MIB, gvisor=gvisor),
        "the bounds of /tmp": _bounded(tmp, TMP_BYTES, gvisor=gvisor) and tmp["noexec"] is True,
        "the bounds of shared memory": _bounded(shared, TMP_BYTES, gvisor=gvisor),
        "the limit of open files": 0 < found["NOFILE"] <= limits.open_files,
        "the limit of a file's size": 0 < found["FSIZE"] <= _largest_file(limits, writable),
        "no core dumps": found["CORE"] == 0,
    }


def _few(facts: Mapping[str, Any], limits: RunLimits) -> bool:
    """gVisor's own count is within, and the host's of what gVisor takes for it outside."""
    if not facts.get("outside"):
        return bool(0 < facts["processes"] <= limits.processes)
    inside = 0 < facts["limits"]["NPROC"] <= limits.processes
    return bool(inside and 0 < facts["outside"]["threads"] <= _threads(limits))


def _threads(limits: RunLimits) -> int:
    """What gVisor may take of the host's for `limits.processes` of its own: its kernel, and for each a stub with a
    thread for every one that runs it. With 4 for each, gVisor itself died of a fork bomb that it had refused."""
    return 256 + 16 * limits.processes


def _largest_file(limits: RunLimits, writable: bool) -> int:
    return LARGEST_PACKAGED if writable else limits.workspace_mb * MIB


def _bounded(mount: Mapping[str, Any], size: int, *, gvisor: bool) -> bool:
    """gVisor runs no program as another user, and has no devices to open: it knows neither nosuid nor nodev."""
    flags = gvisor or (mount["nosuid"] is True and mount["nodev"] is True)
    return bool(flags and 0 < mount["bytes"] <= size + MIB)
