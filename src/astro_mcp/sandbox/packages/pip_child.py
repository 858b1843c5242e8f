"""A child process of the daemon: `pip` for another Python than its own, which builds nothing.

`python -I -m astro_mcp.sandbox.packages.pip_child TOLD ARGUMENT…`; TOLD is JSON: `owner`, the process that it ends
with; `markers`, the environment of dependency markers (PEP 508) in the image, which pip evaluates with its own
interpreter's otherwise; and what `pip_sources.Sources` takes, `approved` and `folder`. A wheel's metadata may name a
source archive or a repository by address, and pip would fetch it and run its build on this machine, `--only-binary` or
not. So addresses are no requirements here, and an audit hook (PEP 578, it can't be taken back) refuses every new
process, and with it every build.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any, Final, cast

from astro_mcp.sandbox.packages import pip_index
from astro_mcp.sandbox.packages.pip_sources import REFUSED, Sources
from astro_mcp.sandbox.with_owner import end_with

LARGEST: Final = 2 << 30
ADDRESS: Final = "astro-mcp: a package names an address in place of a name"
PROCESSES: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn"}
)


def main(arguments: list[str]) -> int:
    told = json.loads(arguments[0])
    end_with(told["owner"])
    environment: dict[str, str] = told["markers"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_refuse)
    from pip._internal.cli.main import main as pip  # noqa: PLC0415 - after the hook, so that it holds for imports too
    from pip._vendor.packaging import markers, requirements  # noqa: PLC0415 - the same

    plain = requirements.Requirement.__init__

    def named(self: requirements.Requirement, requirement_string: str) -> None:
        plain(self, requirement_string)
        if self.url:
            raise requirements.InvalidRequirement(f"{ADDRESS}: {self.name}")

    requirements.Requirement.__init__ = named  # type: ignore[method-assign] # pip's modules hold the class by name
    markers.default_environment = lambda: cast("markers.Environment", dict(environment))
    if not markers.Marker(f"python_full_version == '{environment['python_full_version']}'").evaluate():
        raise AssertionError("this pip keeps its markers elsewhere")
    sources = Sources(frozenset(told["approved"]), Path(told["folder"]))
    sources.hold()
    unanswered = pip_index.watched()
    try:
        return int(pip(arguments[1:]))
    finally:
        sources.report(unanswered)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in PROCESSES:
        raise PermissionError(REFUSED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
