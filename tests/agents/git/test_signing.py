"""Commits are signed by the operator's program, or not made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from tests.agents.git.bench import Bench

from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.documents import child as documents_child
from astro_mcp.errors import TimedOut, Unavailable
from astro_mcp.sandbox import child as sandbox_child
from astro_mcp.workspace.git import signing
from astro_mcp.workspace.git.commits import commit, draft
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

BEGINS = "-----BEGIN PGP SIGNATURE-----"
Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Writes a program of the operator's."""

    def write(text: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


async def committed(bench: Bench, settings: GitSettings) -> str:
    bench.write("src/app.py", "changed\n")
    async with Git(Workspace(SecretSettings()), bench.root.parent / "private").open(bench.session, ".") as repository:
        return await commit(repository, await draft(repository, []), "Signed\n\nWith a body.", settings)


async def refused(bench: Bench, settings: GitSettings) -> str:
    before = bench.git("for-each-ref"), bench.git("count-objects")
    with pytest.raises(Unavailable) as caught:
        await committed(bench, settings)
    assert (bench.git("for-each-ref"), bench.git("count-objects")) == before
    return str(caught.value)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")
async def test_plain_git_verifies_what_ssh_keygen_signed(bench: Bench, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    program = str(shutil.which("ssh-keygen"))
    sha = await committed(bench, GitSettings(signing_program=program, signing_format="ssh", signing_key=str(key)))
    allowed = tmp_path / "allowed"
    allowed.write_text(f"astro-mcp@localhost {(tmp_path / 'key.pub').read_text()}")
    told = bench.git("-c", f"gpg.ssh.allowedSignersFile={allowed}", "log", "-1", "--format=%H %G? %GS %B", sha)
    assert told.strip() == f"{sha} G astro-mcp@localhost Signed\n\nWith a body."
    bench.git("fsck", "--strict")


@pytest.mark.full
@pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg")
async def test_plain_git_verifies_what_gpg_signed(bench: Bench, tmp_path: Path, program: Program) -> None:
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", "astro-mcp@localhost", "ed25519", "sign"], check=True)
    try:
        path = program(f'exec /usr/bin/gpg --homedir {home} --quiet "$@"')
        sha = await committed(bench, GitSettings(signing_program=str(path), signing_key="astro-mcp@localhost"))
        told = bench.git("-c", f"gpg.program={path}", "log", "-1", "--format=%G?", sha)
        assert told.strip() in ("G", "U")
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


async def test_the_program_gets_a_clean_environment_and_the_commit(
    bench: Bench, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    path = program(f'env >{tmp_path}/env; cat >{tmp_path}/commit; echo "$@" >{tmp_path}/args; echo "{BEGINS}"')
    sha = await committed(bench, GitSettings(signing_program=str(path), signing_key="me"))
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"PATH", "LC_ALL", "HOME", "PWD", "SHLVL", "_", "OLDPWD"}
    assert (tmp_path / "args").read_text().strip() == "--batch --detach-sign --armor --local-user me"
    assert bench.git("cat-file", "commit", sha).replace(f"gpgsig {BEGINS}\n", "") == (tmp_path / "commit").read_text()


async def test_it_runs_nowhere_near_the_repository(bench: Bench, program: Program, tmp_path: Path) -> None:
    path = program(f'pwd >{tmp_path}/where; env >{tmp_path}/env; echo "{BEGINS}"')
    await committed(bench, GitSettings(signing_program=str(path), signing_key="me"))
    assert (tmp_path / "where").read_text() == "/\n"
    assert "GIT_" not in (tmp_path / "env").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
@pytest.mark.parametrize("whose", ["program", "."])
async def test_what_belongs_to_another_user_is_not_run(
    bench: Bench, program: Program, tmp_path: Path, whose: str
) -> None:
    path = program(f"touch {tmp_path}/ran")
    os.chown(tmp_path / whose, 65_534, -1)
    assert "others could change" in await refused(bench, GitSettings(signing_program=str(path), signing_key="me"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text",
    [
        *("exit 1", "echo no signature", "cat >/dev/null", f'echo "{BEGINS}"; exit 3'),
        f'echo "{BEGINS}"; head -c 70000 /dev/zero | tr "\\0" x',
        f'echo "{BEGINS}"; head -c 1 /dev/zero',
    ],
    ids=["fails", "says something else", "says nothing", "fails after it", "says too much", "says no text"],
)
async def test_without_a_signature_there_is_no_commit(bench: Bench, program: Program, text: str) -> None:
    assert "no signature" in await refused(bench, GitSettings(signing_program=str(program(text)), signing_key="me"))


async def test_one_that_writes_without_end_is_ended_once_it_said_more_than_a_signature(
    bench: Bench, program: Program
) -> None:
    path = program(f'echo "{BEGINS}"; exec cat /dev/zero')
    with anyio.fail_after(10):
        assert "no signature" in await refused(bench, GitSettings(signing_program=str(path), signing_key="me"))


async def test_a_program_that_others_could_have_put_there_is_not_run(
    bench: Bench, program: Program, tmp_path: Path
) -> None:
    path = program(f"touch {tmp_path}/ran")
    settings = GitSettings(signing_program=str(path), signing_key="me")
    path.chmod(0o757)
    assert "others could change" in await refused(bench, settings)
    path.chmod(0o755)
    tmp_path.chmod(0o777)
    assert "others could change" in await refused(bench, settings)
    tmp_path.chmod(0o700)
    path.chmod(0o644)
    assert "no program" in await refused(bench, settings)
    inside = bench.root / "program"
    shutil.copy2("/bin/true", inside)
    assert "in the workspace" in await refused(bench, GitSettings(signing_program=str(inside), signing_key="me"))
    link = tmp_path / "link"
    link.symlink_to(inside)
    assert "in the workspace" in await refused(bench, GitSettings(signing_program=str(link), signing_key="me"))
    path.unlink()
    assert "not there" in await refused(bench, settings)
    assert not (tmp_path / "ran").exists()


async def test_one_that_takes_too_long_is_ended(
    bench: Bench, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SECONDS", 0.2)
    path = program("exec sleep 60")
    with anyio.fail_after(10), pytest.raises(TimedOut):
        await committed(bench, GitSettings(signing_program=str(path), signing_key="me"))
    assert bench.git("log", "-1", "--format=%s").strip() == "Add two"


async def test_what_it_started_is_ended_with_it(
    bench: Bench, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SECONDS", 0.5)
    path = program(f"sleep 60 & echo $! >{tmp_path}/child; wait")
    with anyio.fail_after(10), pytest.raises(TimedOut):
        await committed(bench, GitSettings(signing_program=str(path), signing_key="me"))
    child = int((tmp_path / "child").read_text())
    with anyio.fail_after(5):
        while _runs(child):
            await anyio.sleep(0.02)


async def test_a_call_that_is_cancelled_ends_it(bench: Bench, program: Program, tmp_path: Path) -> None:
    path = program(STARTER.format(folder=tmp_path))
    async with anyio.create_task_group() as group:
        group.start_soon(committed, bench, GitSettings(signing_program=str(path), signing_key="me"))
        with anyio.fail_after(20):
            while not (tmp_path / "child").exists():
                await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    with anyio.fail_after(5):
        while _runs(int((tmp_path / "child").read_text())):
            await anyio.sleep(0.02)
    assert bench.git("log", "-1", "--format=%s").strip() == "Add two"


STARTER = "sleep 60 & echo $! >{folder}/child.new; mv {folder}/child.new {folder}/child; wait"


@pytest.mark.parametrize("room", ["signing", "sandbox", "documents"])
async def test_a_call_that_is_cancelled_amid_the_start_of_a_child_leaves_nothing_of_it(
    bench: Bench, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    path = program(STARTER.format(folder=tmp_path))
    start, began = anyio.open_process, anyio.Event()

    async def slow(*arguments: Any, **options: Any) -> Process:
        """A busy loop's start: the child has gone on before it is told. A cancelled one ends the child alone."""
        process = await start(*arguments, **options)
        try:
            while not (tmp_path / "child").exists():
                await anyio.sleep(0.01)
            began.set()
            await anyio.sleep(0.1)
        except BaseException:
            process.kill()
            raise
        return process

    async def heard(line: str) -> None:
        raise AssertionError(line)

    async def act() -> None:
        if room == "signing":
            await committed(bench, GitSettings(signing_program=str(path), signing_key="me"))
        elif room == "sandbox":
            await sandbox_child.run([str(path)], {}, tmp_path, 30, heard)
        else:
            await documents_child.run([str(path)], 30, 10)

    monkeypatch.setattr(anyio, "open_process", slow)
    async with anyio.create_task_group() as group:
        group.start_soon(act)
        with anyio.fail_after(20):
            await began.wait()
        group.cancel_scope.cancel()
    with anyio.fail_after(5):
        while _runs(int((tmp_path / "child").read_text())):
            await anyio.sleep(0.02)


def _runs(process: int) -> bool:
    """Whether there is such a process that has not ended: nobody may have reaped it yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "settings",
    [
        {"signing_program": "gpg", "signing_key": "me"},
        {"signing_program": "/usr/bin/gpg"},
        {"signing_key": "me"},
        {"signing_program": "/usr/bin/gpg", "signing_key": "--output=x"},
    ],
)
def test_settings_that_would_run_something_else_or_nothing_stop_the_start(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="signing_"):
        GitSettings.model_validate(settings)
