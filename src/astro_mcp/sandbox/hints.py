"""The one line that a person types to get a Docker engine, for the system that this is."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

OTHER_ENGINE = "use an engine with cgroups and seccomp (rootless: delegate cpu, memory and pids), then: docker info"
IMAGE = "build the sandbox's image: astro-mcp sandbox build (in a checkout: scripts/sandbox-image)"


def install_line() -> str:
    """How to install and start an engine here."""
    if sys.platform == "darwin":
        return "brew install --cask docker && open -a Docker"
    if sys.platform == "win32":
        return "winget install Docker.DockerDesktop"
    try:
        release: Mapping[str, str] = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return linux_line(release, root=os.geteuid() == 0)


def linux_line(release: Mapping[str, str], *, root: bool) -> str:
    """The same for a Linux by its os-release; `root` needs no sudo and no group."""
    families = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    sudo = "" if root else "sudo "
    start = (
        f"{sudo}systemctl enable --now docker"
        if os.path.isdir("/run/systemd/system")
        else f"{sudo}service docker start"
    )
    group = "" if root else ' && sudo usermod -aG docker "$USER" (then log in again)'
    if families & {"debian", "ubuntu"}:
        return f"{sudo}apt-get install -y docker.io && {start}{group}"
    if families & {"fedora", "rhel", "centos"}:
        return f"{sudo}dnf install -y moby-engine && {start}{group}"
    if "arch" in families:
        return f"{sudo}pacman -S --noconfirm docker && {start}{group}"
    if families & {"suse", "opensuse"}:
        return f"{sudo}zypper install -y docker && {start}{group}"
    if "alpine" in families:
        return f"{sudo}apk add docker && {sudo}rc-service docker start{group}"
    return "install Docker Engine for this system, then check with: docker info"


def start_line() -> str:
    """How to start an engine that is installed."""
    if sys.platform == "darwin":
        return "open -a Docker"
    sudo = "" if os.geteuid() == 0 else "sudo "
    systemd = os.path.isdir("/run/systemd/system")
    return f"{sudo}systemctl start docker" if systemd else f"{sudo}service docker start"


def permission_line() -> str:
    """How to be let in to an engine that runs."""
    return 'sudo usermod -aG docker "$USER" (then log in again)'
