"""A machine that this one is not: fake programs on PATH, and a folder in place of /."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SETUP = Path(__file__).parents[2] / "scripts" / "setup"
REAL = ("bash", "cat", "cut", "dirname", "grep", "mkdir", "rm", "seq", "setsid", "sha256sum", "timeout")
RECORD = '#!/bin/bash\nprintf "%s\\n" "${0##*/}${*:+ $*}" >>"$MACHINE/calls"\n'
ANSWERS_THE_THIRD_TIME = """
[ "$1" = info ] || exit 0
case $(grep -c "docker info" "$MACHINE/calls") in
    1) exit 1 ;;
    2) read -r _ <"$MACHINE/started"; exit 1 ;;  # only once the engine was begun
esac
"""
STARTS = 'echo up >"$MACHINE/started"; echo "to nobody\'s terminal"'
NEVER = "exit 1"
HANGS = """
echo $$ >"$MACHINE/pid"
read -r _ <"$MACHINE/started"
"""
INSTALLS = """
if [ "$1" = install ]; then
    for name in docker dockerd; do cp "$MACHINE/later/$name" "$MACHINE/bin/$name"; done
fi
"""


@dataclass(frozen=True)
class Machine:
    """Programs that record their calls, and a folder in the place of the machine's /proc, /run and /var."""

    folder: Path

    def program(self, name: str, body: str = "", *, where: str = "bin") -> None:
        path = self.folder / where / name
        path.write_text(RECORD + body)
        path.chmod(0o755)

    def later(self, docker: str) -> None:
        """What apt-get installs."""
        self.program("docker", docker, where="later")
        self.program("dockerd", STARTS, where="later")
        self.program("apt-get", INSTALLS)
        (self.folder / "bin" / "cp").symlink_to(str(shutil.which("cp")))

    def file(self, path: str, text: str) -> Path:
        made = self.folder / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
        return made

    def run(self, function: str) -> subprocess.CompletedProcess[str]:
        script = f'source "{SETUP}"; system=$MACHINE; cd "$MACHINE/checkout"; {function}'
        return subprocess.run(
            ["/bin/bash", "-c", script],
            env={"PATH": str(self.folder / "bin"), "MACHINE": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def asked(self, program: str) -> list[str]:
        return [call for call in self.calls if call.split()[0] == program]


def machine(folder: Path, *, user: int = 0, system: str = "Linux") -> Machine:
    for name in ("bin", "later", "checkout/.venv/bin", "var/log", "var/run"):
        (folder / name).mkdir(parents=True)
    os.mkfifo(folder / "started")
    for name in REAL:
        if name != "timeout" or system == "Linux":
            (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    made = Machine(folder)
    made.program("id", f'[ "$1" = -u ] && echo {user} || echo somebody')
    made.program("uname", f"echo {system}")
    made.program("sleep")
    return made
