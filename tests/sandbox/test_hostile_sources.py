"""A hostile source: it runs nowhere unapproved, never on this machine, and reaches nothing where it is built."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.rig import Make
from tests.sandbox.sdists import approving, failure, printed, sdist
from tests.sandbox.wheels import wheel

from astro_mcp.sandbox.packages import pip_child
from astro_mcp.sandbox.packages.pip_sources import REFUSED


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Something of this machine's that a build could reach, on every address that it has."""
    with socket.create_server(("0.0.0.0", 0)) as made:
        made.setblocking(False)
        yield made


def dialled(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def hostile(mark: Path, port: int) -> str:
    """Code that marks this machine's disk and dials it, the metadata address and the world; `seen` is what it met."""
    return f"""
import errno, json, os, socket
seen = {{"uid": os.getuid()}}
try:
    open({str(mark)!r}, "w").close()
except OSError as error:
    seen["mark"] = errno.errorcode[error.errno]
for address, port in (
    ("127.0.0.1", {port}), ("172.17.0.1", {port}), ({machine()!r}, {port}), ("169.254.169.254", 80),
    ("192.0.2.1", 443), ("2001:db8::1", 443), ("224.0.0.1", 53),
):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as dialling:
        dialling.settimeout(2)
        try:
            dialling.connect((address, port))
            seen[address] = "connected"
        except OSError as error:
            seen[address] = errno.errorcode.get(error.errno, str(error))
try:
    socket.getaddrinfo("example.org", 443)
    seen["name"] = "resolved"
except OSError as error:
    seen["name"] = "no"
seen["interfaces"] = os.listdir("/sys/class/net")
"""


def machine() -> str:
    """An address of this machine beside its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            return "172.17.0.1"
        return str(asking.getsockname()[0])


@pytest.mark.full
async def test_a_hostile_source_runs_nowhere_unapproved_and_reaches_nothing_where_it_is_built(
    make: Make, index: Path, tmp_path: Path, listener: socket.socket
) -> None:
    mark = tmp_path / "ran-here"
    code = hostile(mark, listener.getsockname()[1])
    build = "return made(folder, 'evil', '1.0', {'evil.py': f'seen = {seen!r}'})"
    sdist(index, "evil", build, head=code, files={"setup.py": code})
    wheel(index, "innocent", requires=["evil"])

    subprocess.run([sys.executable, "-c", code], check=True)
    assert mark.exists(), "whoever runs it here leaves the mark"
    assert dialled(listener), "and is heard"
    mark.unlink()
    while dialled(listener):
        pass

    cautious, bold = make(), approving(make, "evil")
    error = await failure(cautious, "innocent")
    assert error.code == "approval_required"
    assert '"evil" in sandbox.build_from_source' in error.hint
    image = await bold.python_image("local", ["innocent"])
    seen = json.loads(await printed(bold, image, "import evil, json; print(json.dumps(evil.seen))"))
    assert not mark.exists()
    assert not dialled(listener)
    assert seen.pop("uid") == 65532
    assert seen.pop("interfaces") == ["lo"]
    assert seen.pop("mark") == "ENOENT"
    assert seen.pop("name") == "no"
    assert seen.pop("127.0.0.1") == "ECONNREFUSED", "its own loopback, and nobody on it"
    assert set(seen.values()) <= {"ENETUNREACH", "EADDRNOTAVAIL"}, seen
    assert len(seen) >= 5
    await cautious.close()
    await bold.close()


@pytest.mark.full
async def test_a_setup_py_that_is_hostile_reaches_nothing_and_what_setuptools_says_of_a_compiler_is_told(
    make: Make, tidy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    mark = tmp_path / "ran-here"
    code = hostile(mark, listener.getsockname()[1])
    call = "from setuptools import Extension, setup\n"
    tell = "open('evil.py', 'w').write(f'seen = {seen!r}')\nsetup(name='evil', version='1.0', py_modules=['evil'])\n"
    native = "setup(name='native', version='1.0', ext_modules=[Extension('native', ['native.c'])])\n"
    place = tmp_path / "more"
    place.mkdir()
    sdist(place, "evil", "", project=None, files={"setup.py": code + call + tell})
    sdist(place, "native", "", project=None, files={"setup.py": call + native, "native.c": "int x;"})
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    sandbox = approving(make, "evil", "native")
    image = await sandbox.python_image("local", ["evil==1.0"])
    seen = json.loads(await printed(sandbox, image, "import evil, json; print(json.dumps(evil.seen))"))
    assert seen["169.254.169.254"] == seen[machine()] == seen["172.17.0.1"] == "ENETUNREACH"
    assert not mark.exists()
    assert not dialled(listener)
    error = await failure(sandbox, "native==1.0")
    assert "gcc" in error.message
    assert "compiler" in error.hint
    await sandbox.close()


def test_the_child_that_runs_pip_starts_no_process_whatever_pip_does() -> None:
    where = "astro_mcp.sandbox.packages"
    code = f"import subprocess, sys\nfrom {where} import pip_child\nsys.addaudithook(pip_child._refuse)\n"
    done = subprocess.run([sys.executable, "-c", f"{code}subprocess.run(['true'])"], capture_output=True, check=False)
    assert REFUSED.encode() in done.stderr
    assert {"subprocess.Popen", "os.fork", "os.exec"} <= pip_child.PROCESSES
