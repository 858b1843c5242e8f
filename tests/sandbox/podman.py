"""Podman's service of a test's own, with all that it starts in namespaces that end with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import docker

START_SECONDS = 60
END_SECONDS = 30
NOBODY = 65534
IDS = "nobody:300000:65536\n"
RUNTIME = r"""#!/bin/bash
# Podman asks for more processes than a root without CAP_SYS_RESOURCE may have: those that it may have, then.
most=$(ulimit -Hu)
change='s/("RLIMIT_NPROC","hard":)[0-9]+(,"soft":)[0-9]+/\1MOST\2MOST/'
for each; do
    [ "$before" != --bundle ] || sed -i -E "${change//MOST/$most}" "$each/config.json"
    before=$each
done
exec runc "$@"
"""


def load(url: str, image: str) -> None:
    """Give it an image that the machine's own engine has."""
    saved = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
    subprocess.run(["docker", "-H", url, "load"], stdin=saved.stdout, check=True, capture_output=True)
    assert saved.wait(END_SECONDS) == 0


@contextmanager
def podman(*, rootless: bool = False) -> Iterator[str]:
    """Its address. `rootless`: as a user to whom nothing is delegated."""
    folder = Path(tempfile.mkdtemp(prefix="p-", dir="/tmp"))
    for name in ("home", "run"):
        (folder / name).mkdir(mode=0o700)
    (folder / "runtime").write_text(RUNTIME)
    (folder / "runtime").chmod(0o755)
    url = f"unix://{folder / 'p.sock'}"
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [*_apart(folder, rootless=rootless), *_program(folder, url)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait(service, url, folder / "log")
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(service.pid, signal.SIGKILL)  # and with the first process of a namespace every other
        service.wait(END_SECONDS)
        for cgroup in sorted(Path("/sys/fs/cgroup").glob("*/libpod_parent/**/"), reverse=True):
            with suppress(OSError):
                cgroup.rmdir()
        shutil.rmtree(folder, ignore_errors=True)


def _apart(folder: Path, *, rootless: bool) -> Sequence[str]:
    spaces = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    if not rootless:
        return spaces
    for name in ("subuid", "subgid"):
        (folder / name).write_text(IDS)
    for path in (folder, folder / "home", folder / "run"):
        os.chown(path, NOBODY, NOBODY)
    mounts = " && ".join(f"mount --bind {folder}/{name} /etc/{name}" for name in ("subuid", "subgid"))
    user = f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups"
    return (*spaces, "sh", "-c", f'{mounts} && exec {user} "$@"', "sh")


def _program(folder: Path, url: str) -> Sequence[str]:
    environment = (f"PATH={os.environ['PATH']}", f"HOME={folder}/home", f"XDG_RUNTIME_DIR={folder}/run")
    storage = (f"--root={folder}/home/root", f"--runroot={folder}/run/root", f"--tmpdir={folder}/run/tmp")
    options = ("--cgroup-manager=cgroupfs", "--events-backend=file", f"--runtime={folder}/runtime")
    return ("env", "-i", *environment, "podman", *storage, *options, "system", "service", "--time=0", url)


def _wait(service: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(docker.errors.DockerException, OSError), closing(docker.APIClient(url, version="auto")) as client:
            client.ping()
            return
        if service.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.1)
