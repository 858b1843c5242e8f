"""Other durable engines, each as it is shipped and in an environment of its own, on loopback, in a folder that goes."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
HERE: Final = "127.0.0.1"
START: Final = 60.0
"""Seconds that a server may take to listen."""
Ask = Callable[[str, int], float]
"""`ask("chain", 100)`: the seconds of that many steps."""
Peer = Callable[[Path], AbstractContextManager[Ask]]


def installed() -> dict[str, Peer]:
    """By name, those whose environments stand beside the one that ASTRO_BENCH_PEERS names."""
    tools = Path(os.environ.get("ASTRO_BENCH_PEERS", "/nowhere")).parent
    peers: dict[str, Peer] = {}
    if (tools / "dbos/bin/python").is_file():
        peers["DBOS, SQLite"] = lambda folder: _dbos_sqlite(tools / "dbos", folder)
        if (programs := _postgres()) is not None:
            peers["DBOS, PostgreSQL"] = lambda folder: _dbos_postgres(tools / "dbos", folder, programs)
    if (tools / "prefect/bin/python").is_file():
        peers["Prefect"] = lambda folder: _prefect(tools / "prefect", folder)
    if (tools / "temporal/bin/temporal").is_file():
        peers["Temporal, dev server"] = lambda folder: _temporal(tools / "temporal", folder)
    return peers


def _dbos_sqlite(place: Path, folder: Path) -> AbstractContextManager[Ask]:
    return _asked(place, "_dbos", [f"sqlite:///{folder}/dbos.sqlite"])


@contextmanager
def _dbos_postgres(place: Path, folder: Path, programs: Path) -> Iterator[Ask]:
    """Its server refuses to run as root, and then runs as the user that Debian made for it."""
    port, data = _free_port(), folder / "postgres"
    data.mkdir(mode=0o700)
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(data, user.pw_uid, user.pw_gid)
    made = [str(programs / "initdb"), "-D", str(data), "-U", "bench", "-A", "trust"]
    subprocess.run(made, check=True, cwd="/", stdout=subprocess.DEVNULL, **who)
    server = [programs / "postgres", "-D", data, "-h", HERE, "-p", port, "-k", "", "-c", "max_connections=200"]
    with _server(server, port, **who), _asked(place, "_dbos", [f"postgresql://bench@{HERE}:{port}/bench"]) as ask:
        yield ask


@contextmanager
def _prefect(place: Path, folder: Path) -> Iterator[Ask]:
    port = _free_port()
    environment = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://{HERE}:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
    }
    server = [place / "bin/prefect", "server", "start", "--host", HERE, "--port", port, "--no-ui"]
    with _server(server, port, env={**os.environ, **environment}), _asked(place, "_prefect", [], environment) as ask:
        yield ask


@contextmanager
def _temporal(place: Path, folder: Path) -> Iterator[Ask]:
    """With a file, as ours has one: without, its dev server keeps everything in memory."""
    port = _free_port()
    server = [place / "bin/temporal", "server", "start-dev", "--headless", "--ip", HERE, "--port", port]
    server += ["--db-filename", folder / "temporal.db", "--log-level", "error"]
    with _server(server, port), _asked(place, "_temporal", [f"{HERE}:{port}"]) as ask:
        yield ask


@contextmanager
def _server(command: Sequence[object], port: int, **options: Any) -> Iterator[None]:
    """A server that listens, in a group of processes of its own that ends with the block."""
    options |= {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([str(word) for word in command], cwd="/", start_new_session=True, **options)
    try:
        _listens(server, port)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # each of them ends orderly then, its children with it
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _listens(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START
    while True:
        try:
            socket.create_connection((HERE, port), timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{server.args!r} does not listen") from None
            time.sleep(0.1)
        else:
            return


@contextmanager
def _asked(
    place: Path, module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Ask]:
    """The peer's own process, which carries out what it is asked."""
    child = subprocess.Popen(
        [str(place / "bin/python"), "-m", f"benchmarks.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    commands, answers = child.stdin, child.stdout

    def said() -> str:
        line = answers.readline().strip()
        if not line:
            raise RuntimeError(f"{module} ended with {child.wait()}")
        return line

    def ask(name: str, count: int) -> float:
        commands.write(f"{name} {count}\n")
        commands.flush()
        return float(said())

    try:
        while said() != "ready":  # what a library prints before
            pass
        yield ask
    finally:
        commands.close()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        answers.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def _postgres() -> Path | None:
    """The folder of PostgreSQL's programs, the newest where there are several."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if (program := shutil.which("initdb")) is not None:
        folders.append(Path(program).resolve().parent)
    return next((folder for folder in reversed(folders) if (folder / "postgres").is_file()), None)
