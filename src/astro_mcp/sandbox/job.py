"""What runs in the sandbox, and what comes back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from astro_mcp.core.authority import LOCAL, Label
from astro_mcp.errors import InvalidInput
from astro_mcp.observe.printable import printable

Stream = Literal["stdout", "stderr"]
OnOutput = Callable[[str, bytes], Awaitable[None]]
"""`await on_output("stdout" or "stderr", some bytes)`, while the job runs."""

LONGEST_PATH: Final = 1024
PROGRAMS: Final = "/opt/site/bin:/usr/local/bin:/usr/bin:/bin"
"""Where a program's own programs are looked for: those of packages first."""
UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|\Z)")
"""Control characters, and components that are empty, `.` or `..`."""


@dataclass(frozen=True, slots=True)
class SandboxFile:
    """A regular file; `path` is relative to /workspace on the way in, to the collected folder on the way out."""

    path: str
    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One program in a fresh container, its working folder /workspace; there is no shell unless argv names one.

    `timeout` is in seconds. `image` is empty for the base image, or what `Sandbox.package_image` or `language_image`
    returned. `build` makes what argv runs, in the same container and time: where it fails argv never runs. `collect` is
    the folder below /workspace whose files come back; it exists when the program starts. Empty: none do. `script`:
    argv is `python3 FILE ...`, and the interpreter that waits in the container runs FILE itself. `session`: it stays up
    for further jobs in the same container. `tenant`: whose limits it has, and counts for. `egress`: it may reach what
    `sandbox.egress` names; only a call that has the effect network says so. `upload`: bytes that it may send there,
    where that is bound.
    """

    argv: tuple[str, ...]
    files: tuple[SandboxFile, ...] = ()
    stdin: bytes = b""
    timeout: float = 60.0
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    build: tuple[str, ...] = ()
    collect: str = "out"
    on_output: OnOutput | None = None
    script: bool = False
    session: bool = False
    tenant: str = LOCAL
    egress: bool = False
    upload: int | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went between a run and one host and port. Bytes; `refused` is why, where it was."""

    to: str
    connections: int
    sent: int
    received: int
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job did. A non-zero exit is an outcome, and so is a limit that was hit.

    `exit_code` is 128 + the signal where one ended the program. `limits_hit` holds `timeout`, `memory`, `processes`,
    `disk`, `output` (of a stream, what came after the bound is dropped), `files` (`withheld` names what did not come
    back: links, special files, and what is over the bounds) and `network` (bytes or connections). Times are in
    milliseconds: until the program could start, and from there to its end. `egress` is in the order of the first
    attempt.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    files: tuple[SandboxFile, ...]
    limits_hit: tuple[str, ...]
    queued_ms: float
    run_ms: float
    withheld: tuple[str, ...] = ()
    over: bool = True
    """Whether the program is gone; False after a session's turn that left it up."""
    built: bool = True
    """Whether `Job.build` made the program; where not, exit code and stderr are those of `build`."""
    egress: tuple[Traffic, ...] = ()
    labels: frozenset[Label] = frozenset()
    """What is known of all that came into the session that it ran in."""


def safe_path(path: str) -> bool:
    """Whether `path` is relative, normal, and stays below its folder."""
    return 0 < len(path.encode("utf-8", "surrogatepass")) <= LONGEST_PATH and UNSAFE.search(path) is None


def beside(files: Iterable[SandboxFile], ours: Collection[str]) -> tuple[tuple[SandboxFile, ...], tuple[str, ...]]:
    """Those of `files` that can go in beside what is at the paths `ours`, and a line, `path (reason)`, for each of the
    others: its name is none that the sandbox takes, or one of ours, or a folder's where the other is a file's."""
    folders = {folder for path in ours for folder in _upwards(path) if folder != path}
    own, kept, withheld = frozenset(ours), [], []
    tops = {path.partition("/")[0] for path in ours}
    for file in files:
        if not safe_path(file.path):
            withheld.append(f"{_line(file.path)} (a name that the sandbox does not take)")
        elif file.path.partition("/")[0] in tops and (file.path in folders or not own.isdisjoint(_upwards(file.path))):
            withheld.append(f"{file.path} (the sandbox has its own of this name)")
        else:
            kept.append(file)
    return tuple(kept), tuple(withheld)


def _upwards(path: str) -> Iterator[str]:
    """It, and the folders that it lies in."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(len(parts), 0, -1))


def _line(path: str) -> str:
    return printable(path, 200).replace("\n", "\\n").replace("\t", "\\t")


def check(job: Job) -> None:
    """Raises `InvalidInput` for a job that no container could take."""
    if not job.argv or not job.argv[0]:
        raise InvalidInput("a job needs a program to run")
    if job.script and (job.argv[0] != "python3" or len(job.argv) < 2 or job.argv[1].startswith("-")):
        raise InvalidInput("a script's job reads: python3 FILE, and arguments")
    if job.session and not job.script:
        raise InvalidInput("a session runs scripts")
    if job.build and job.script:
        raise InvalidInput("a script is not built")
    texts = [*job.argv, *job.build, *job.env, *job.env.values()]
    if any("\0" in text for text in texts):
        raise InvalidInput("arguments and environment can't hold a NUL character")
    if job.collect and not safe_path(job.collect):
        raise InvalidInput(f"{job.collect[:100]!r} is no folder below the workspace")
    seen = set()
    for file in job.files:
        if not safe_path(file.path) or file.path in seen:
            raise InvalidInput(f"{file.path[:100]!r} is no safe path for the sandbox, or is there twice")
        seen.add(file.path)
