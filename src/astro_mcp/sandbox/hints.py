"""The one line that a person types to get a Docker engine, or npm, for the system that this is."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

OTHER_ENGINE = "use an engine with cgroups and seccomp (rootless: delegate cpu, memory and pids), then: docker info"
LOOK = "look at the engine: docker info, and its log; then try again"
SETTING = "start the engine that [sandbox] engine names in config.toml, or leave that out to use this machine's own"
IMAGE = "build the sandbox's image: astro-mcp sandbox build (in a checkout: scripts/sandbox-image)"
NPM: Mapping[str, str] = {
    "debian": "apt-get install -y npm",
    "ubuntu": "apt-get install -y npm",
    "fedora": "dnf install -y nodejs-npm",
    "rhel": "dnf install -y npm",
    "arch": "pacman -S --noconfirm npm",
    "suse": "zypper install -y npm",
    "alpine": "apk add npm",
}


def install_line() -> str:
    """How to install and start an engine here."""
    if sys.platform == "darwin":
        return "brew install --cask docker && open -a Docker"
    if sys.platform == "win32":
        return "winget install Docker.DockerDesktop"
    return linux_line(_release(), root=os.geteuid() == 0)


def linux_line(release: Mapping[str, str], *, root: bool) -> str:
    """The same for a Linux by its os-release; `root` needs no sudo and no group."""
    families = _families(release)
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


def npm_line() -> str:
    """How to install npm here."""
    if sys.platform == "darwin":
        return "brew install node"
    sudo = "" if os.geteuid() == 0 else "sudo "
    found = next((line for family, line in NPM.items() if family in _families(_release())), "")
    return f"{sudo}{found}" if found else "install Node.js with npm for this system, then check with: npm --version"


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


def _release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _families(release: Mapping[str, str]) -> set[str]:
    return {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
