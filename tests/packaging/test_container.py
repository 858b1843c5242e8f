"""`--full`: the Dockerfile builds with the classic builder and no network, and its container serves what is mounted."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "resources" / "sandbox" / "image"
PIP_CONF = "[global]\nno-index = true\nfind-links = /wheels\n"
BASE = "ARG ROOTFS\nFROM ${ROOTFS}\nCOPY pip.conf /etc/pip.conf\nCOPY wheels /wheels\n"
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("ASTRO_TEST_ALL") and shutil.which("mmdebstrap") is None,
        reason="no mmdebstrap, so no Debian to build on; scripts/setup installs it where it makes the sandbox",
    ),
]


def run(*command: str, folder: Path = ROOT, **extra: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **extra},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)[:300]}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def release() -> str:
    [name] = re.findall(r'^VERSION_CODENAME="?([a-z]+)', Path("/etc/os-release").read_text(), re.MULTILINE)
    return str(name)


def mirror(codename: str) -> str:
    """The machine's own, as its apt is set up."""
    told = run("apt-get", "indextargets", "--format", "$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)")
    return next(line.split()[3] for line in told.splitlines() if line.startswith(f"Packages main {codename} "))


def rootfs(tag: str, folder: Path) -> None:
    """A Debian of the machine's own release, with Python and venv, made as the sandbox's is."""
    [packages] = re.findall(r"^packages=(\S+)$", (RECIPE / "build.sh").read_text(), re.MULTILINE)
    acquire = re.findall(
        r'^(Acquire::https?::(?:Proxy|CaInfo|Timeout)[^"]* ".+";)$', run("apt-config", "dump"), re.MULTILINE
    )
    archive = folder / "rootfs.tar"
    run(
        *("mmdebstrap", "--quiet", "--variant=extract", f"--include={packages},python3-venv"),
        *(f"--aptopt={option}" for option in acquire),
        f'--extract-hook=sh {RECIPE / "rootfs.sh"} "$1"',
        *(release(), str(archive), mirror(release())),
    )
    run("docker", "import", str(archive), tag)
    archive.unlink()


def base(tag: str, made_of: str, folder: Path) -> None:
    """The same with the pinned wheels in it, so that the build needs no network; pip fetched them as it is set up."""
    wheels = folder / "wheels"
    python = subprocess.run(
        ["docker", "run", "--rm", made_of, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()  # fmt: skip - one argument after another
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheels), "--only-binary=:all:"]
    fetch += ["--python-version", python]
    run(*fetch, "--no-deps", "--require-hashes", "-r", str(ROOT / "requirements.txt"))
    run(*fetch, "hatchling>=1.27,<2")
    (folder / "pip.conf").write_text(PIP_CONF)
    (folder / "Dockerfile").write_text(BASE)
    run(
        "docker",
        "build",
        "--network",
        "none",
        "--build-arg",
        f"ROOTFS={made_of}",
        "-t",
        tag,
        ".",
        folder=folder,
        DOCKER_BUILDKIT="0",
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = uuid.uuid4().hex[:12]
    tags = [f"astro-mcp-test-{part}:{name}" for part in ("server", "base", "rootfs")]
    folder = tmp_path_factory.mktemp("image")
    try:
        rootfs(tags[2], folder)
        base(tags[1], tags[2], folder)
        build = ["docker", "build", "--network", "none", "--build-arg", f"BASE={tags[1]}", "-t", tags[0], "."]
        run(*build, folder=ROOT, DOCKER_BUILDKIT="0")
        yield tags[0]
    finally:
        for tag in tags:
            subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)


def test_the_image_builds_on_any_base_and_serves_its_workspace(image: str, tmp_path: Path) -> None:
    (tmp_path / "motto.txt").write_text("Per aspera ad astra.\n")
    asked: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": INITIALIZE},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "fs_list", "arguments": {"path": "."}}},
        {"id": 3, "method": "tools/call", "params": {"name": "fs_read", "arguments": {"path": "motto.txt"}}},
    ]
    process = subprocess.Popen(
        ["docker", "run", "--rm", "--interactive", "--volume", f"{tmp_path}:/workspace", image],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip - one argument after another
    assert process.stdin is not None
    assert process.stdout is not None
    answers = {}
    for message in asked:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
        if "id" in message:
            answers[message["id"]] = json.loads(process.stdout.readline())["result"]
    process.stdin.close()
    assert process.stdout.read() == ""
    assert process.wait() == 0
    assert answers[1]["serverInfo"]["name"] == "astro-mcp"
    assert [item["path"] for item in answers[2]["structuredContent"]["items"]] == ["motto.txt"]
    assert answers[3]["structuredContent"]["text"] == "Per aspera ad astra.\n"
