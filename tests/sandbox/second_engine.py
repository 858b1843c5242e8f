"""An engine of a test's own: its socket, data folder and pid file, so that it can be killed while others work."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import docker

START_SECONDS = 60
END_SECONDS = 30


class SecondEngine:
    """`start` and `kill` as often as wanted; `images` come from the machine's own engine, without a registry.

    It sees `files` (their text by path) in the place of the machine's own, and nobody else does.
    """

    def __init__(
        self, folder: Path, options: Sequence[str] = (), files: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._folder = folder
        self._options = options
        self._files = files
        folder.chmod(0o711)  # who is root in its containers is nobody here, and has to get through
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder / 'e.sock'}"

    def start(self) -> None:
        """Returns when it answers."""
        for left in ("e.sock", "e.pid", "exec/containerd/containerd.pid"):
            (self._folder / left).unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *apart(self._folder, self._files),  # an engine without a bridge takes away the machine's own
                    "dockerd",
                    f"--host={self.url}",
                    f"--data-root={self._folder / 'data'}",
                    f"--exec-root={self._folder / 'exec'}",
                    f"--pidfile={self._folder / 'e.pid'}",
                    "--iptables=false",
                    f"--cgroup-parent=/{self._folder.name}",
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self._folder / "log").read_text()[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """As the kernel does it when memory is short: the engine and its containerd, in the middle of anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(END_SECONDS)
        with contextlib.suppress(OSError, ValueError):
            containerd = int((self._folder / "exec/containerd/containerd.pid").read_text())
            os.kill(containerd, signal.SIGKILL)
            while Path(f"/proc/{containerd}/exe").exists():  # gone, or waited for by nobody
                time.sleep(0.05)

    def load(self, image: str) -> None:
        """Give it an image that the machine's own engine has."""
        saved = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
        subprocess.run(["docker", "-H", self.url, "load"], stdin=saved.stdout, check=True, capture_output=True)
        assert saved.wait(END_SECONDS) == 0

    def containers(self) -> int:
        with contextlib.closing(docker.APIClient(self.url, version="auto")) as client:
            return len(client.containers(all=True))

    def close(self) -> None:
        """Ends it with all that it started."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
        subprocess.run(["pkill", "-9", "-f", str(self._folder)], check=False)
        for left in Path("/sys/fs/cgroup").glob(f"**/{self._folder.name}/**/cgroup.procs"):
            for pid in left.read_text().split():  # made when it was killed, and never started: nobody's any more
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        for cgroup in sorted(Path("/sys/fs/cgroup").glob(f"**/{self._folder.name}/**/"), reverse=True):
            with contextlib.suppress(OSError):  # a process that was killed just now may be in it still
                cgroup.rmdir()
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(str(self._folder))), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with contextlib.closing(docker.APIClient(self.url, version="auto", timeout=3)) as client:
                return bool(client.ping())
        except (docker.errors.DockerException, OSError):
            return False


def apart(folder: Path, files: Mapping[str, str]) -> Sequence[str]:
    """What stands before a program that is to have a network of its own, and `files` in the place of the machine's."""
    if not files:
        return ("unshare", "--net")
    lines = []
    for number, (path, text) in enumerate(files.items()):
        (folder / f"file-{number}").write_text(text)
        lines.append(f"mount --bind {folder}/file-{number} {path}")
    return ("unshare", "--net", "--mount", "sh", "-c", " && ".join((*lines, 'exec "$@"')), "sh")


@contextmanager
def second_engine(
    folder: Path, options: Sequence[str] = (), files: Mapping[str, str] = MappingProxyType({})
) -> Iterator[SecondEngine]:
    """One that runs, and is gone after the block. `folder` is short: a socket's path has 107 bytes."""
    engine = SecondEngine(folder, options, files)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()
