"""The limits of a container whose kernel hides them from PID 1, read from the cgroups of the machine that it runs on.

gVisor shows no cgroups inside; outside its sandbox is a process like any other. Only an engine of this machine has its
processes in this machine's /proc, and a process that belongs to no such container is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")


def limits(api: Any, name: str) -> dict[str, float]:
    """`memory` in bytes, `threads` of the sandbox as a whole, `cpus`; 0 where there is no limit, or none to be read.
    Blocks; `api` is the SDK's."""
    info = api.inspect_container(name)
    folders = _folders(str(info["Id"]), int(info["State"]["Pid"]))
    return {
        "memory": _number(folders, "memory", "memory.max", "memory.limit_in_bytes"),
        "threads": _number(folders, "pids", "pids.max", "pids.max"),
        "cpus": _cpus(folders),
    }


def _folders(container: str, pid: int) -> dict[str, Path]:
    """The cgroup's folders by controller; the unified one's name is empty. None where the process is another's."""
    found: dict[str, Path] = {}
    for line in _read(PROC / str(pid) / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if container in path:
            found |= {name: CGROUPS / name / path.lstrip("/") for name in controllers.split(",") if name}
            if not controllers:
                found[""] = CGROUPS / path.lstrip("/")
    return found


def _number(folders: Mapping[str, Path], controller: str, unified: str, legacy: str) -> float:
    for name, file in ((controller, legacy), ("", unified)):
        text = _read(folders[name] / file).strip() if name in folders else ""
        if text.isdigit():
            return int(text)
    return 0


def _cpus(folders: Mapping[str, Path]) -> float:
    quota, _, period = _read(folders[""] / "cpu.max").strip().partition(" ") if "" in folders else ("", "", "")
    if "cpu" in folders:
        quota = _read(folders["cpu"] / "cpu.cfs_quota_us").strip()
        period = _read(folders["cpu"] / "cpu.cfs_period_us").strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
