"""Who is talked to, with what in hand, and what is left of a call that ends early."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from tests.agents.git_remote.conftest import TOKEN, Bench
from tests.agents.git_remote.server import Handler, advertising, packet, processes, saying

from astro_mcp.workspace.git import staging

URLS = [
    ("https://github.com/owner/name.git", "forbidden"),
    ("https://site.example/project.git", "forbidden"),
    ("https://sub.{host}/project.git", "forbidden"),
    ("https://{host}@github.com/project.git", "invalid_input"),
    ("https://user:word@{host}/project.git", "invalid_input"),
    ("https://127.0.0.1/project.git", "forbidden"),
    ("https://0x7f.1/project.git", "invalid_input"),
    ("https://\N{CYRILLIC SMALL LETTER DZE}ite.example/project.git", "forbidden"),
    ("https://{host}/", "invalid_input"),
    ("https://{host}/project.git?x=1", "invalid_input"),
    ("http://{host}/project.git", "invalid_input"),
    ("ssh://git@{host}/project.git", "invalid_input"),
    ("git@{host}:project.git", "invalid_input"),
    ("git://{host}/project.git", "invalid_input"),
    ("file:///project.git", "invalid_input"),
    ("../host/project.git", "invalid_input"),
    ("ext::sh -c touch% ran", "invalid_input"),
    ("fd::17", "invalid_input"),
    ("-u./evil", "invalid_input"),
]


async def test_a_url_that_is_not_https_at_a_host_of_the_operators_is_refused_before_anything_is_asked(
    bench: Bench,
) -> None:
    urls = [(pattern.format(host=bench.server.host), code) for pattern, code in URLS]
    with (bench.project / ".git/config").open("a") as file:
        file.writelines(f'[remote "odd{at}"]\n\turl = "{url}"\n' for at, (url, _) in enumerate(urls))
    for at, (url, code) in enumerate(urls):
        for tool, arguments in (
            ("git_fetch" if at % 4 else "git_push", {"remote": f"odd{at}"}),
            ("git_clone", {"url": url, "path": "copy"}),
        ):
            error = await bench.refused(tool, **arguments)
            assert error["code"] == code, (tool, url)
    error = await bench.refused("git_clone", url="https://github.com/owner/name.git", path="copy")
    assert '[git.remote] hosts = ["github.com"]' in error["hint"]
    assert (bench.names.asked, bench.server.asked) == ([], [])


@pytest.mark.parametrize(
    "url", ["http://me:{word}@site/x", "ssh://me:{word}@site/x", "me:{word}@site:x", "https://me:{word}@[x"]
)
async def test_a_password_in_a_remotes_url_is_in_no_error(bench: Bench, url: str) -> None:
    bench.git("config", "remote.origin.url", url.format(word="p4ss/w@rd"))
    error = await bench.refused("git_fetch")
    assert error["code"] == "invalid_input"
    assert "p4ss" not in str(error)
    assert "w@rd" not in str(error)


@pytest.mark.full
async def test_what_a_repository_configures_for_its_remote_changes_nothing(bench: Bench) -> None:
    """Every key that leads git to another place, another program or another key."""
    evil = f"!touch {bench.root}/ran"
    for key, value in (
        ("url.https://github.com/.insteadOf", bench.server.url()[:8]),
        ("url.https://github.com/.pushInsteadOf", bench.server.url()[:8]),
        ("http.proxy", "http://127.0.0.1:9"),
        ("http.sslVerify", "false"),
        ("http.extraHeader", "X-Evil: 1"),
        ("http.followRedirects", "true"),
        ("http.cookieFile", "/etc/passwd"),
        ("credential.helper", evil),
        ("core.askPass", evil),
        ("core.sshCommand", evil),
        ("core.gitProxy", evil),
        ("remote.origin.proxy", "http://127.0.0.1:9"),
        ("remote.origin.vcs", "ext"),
        ("remote.origin.uploadpack", evil),
        ("remote.origin.receivepack", evil),
        ("remote.origin.mirror", "true"),
        ("remote.origin.prune", "true"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialclonefilter", "blob:none"),
        ("remote.origin.push", "+refs/heads/*:refs/heads/*"),
        ("remote.origin.fetch", "+refs/heads/*:refs/heads/*"),
        ("push.pushOption", "x"),
        ("push.recurseSubmodules", "on-demand"),
        ("fetch.recurseSubmodules", "true"),
        ("fetch.prune", "true"),
        ("protocol.ext.allow", "always"),
    ):
        bench.git("config", key, value)
    sha = bench.committed("new.txt", "new\n")
    bench.git("update-ref", "refs/remotes/origin/gone", "HEAD")
    await bench.call("git_push")
    await bench.call("git_fetch")
    assert bench.server.git("for-each-ref", "--format=%(refname) %(objectname)").split() == ["refs/heads/main", sha]
    assert bench.git("rev-parse", "origin/gone")
    assert not (bench.root / "ran").exists()
    assert not any("X-Evil" in headers for _, _, headers in bench.server.asked)


async def test_a_redirect_is_told_and_not_followed(bench: Bench) -> None:
    for path in ("info/refs", "git-upload-pack"):
        bench.server.asked.clear()
        to = f"https://other.example:{bench.server.server_port}/project.git/{path}"
        bench.server.replies = {f"/project.git/{path}": saying(301, location=to)}
        sha = bench.server.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", path).strip()
        bench.server.git("update-ref", "refs/heads/main", sha)
        error = await bench.refused("git_fetch")
        assert error["code"] == "forbidden"
        assert "other.example" in error["message"]
        assert all(headers["Host"].startswith("site.example") for _, _, headers in bench.server.asked)
    assert set(bench.names.asked) == {"site.example"}


async def test_a_name_that_leads_to_a_private_address_is_refused(bench: Bench) -> None:
    for address in ("10.0.0.1", "169.254.169.254", "::1", "192.168.1.1"):
        bench.names.answers["site.example"] = [["127.0.0.1", address]]
        assert (await bench.refused("git_fetch"))["code"] == "forbidden"
    assert bench.server.asked == []


@pytest.mark.full
async def test_a_name_that_moves_to_a_private_address_between_two_connections_is_refused(bench: Bench) -> None:
    """The host closes the first connection; the second one looks the name up anew."""
    sha = bench.server.git("rev-parse", "HEAD").strip()
    bench.names.answers["site.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    bench.server.replies["/project.git/info/refs"] = advertising("1" * 40, ["refs/heads/main"])
    error = await bench.refused("git_fetch")
    assert error["code"] == "forbidden"
    assert "10.0.0.1" in error["message"]
    assert bench.git("rev-parse", "origin/main").strip() == sha
    assert len(bench.server.asked) == 1


async def test_the_token_goes_to_its_host_and_stands_nowhere_else(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []

    def look(handler: Handler) -> None:
        seen.append(processes(lambda text: True))
        del bench.server.replies["/project.git/git-receive-pack"]
        handler._answer()

    bench.server.replies["/project.git/git-receive-pack"] = look
    bench.committed("new.txt", "new\n")
    await bench.call("git_push")
    await bench.call("git_fetch")
    await bench.call("git_clone", url=bench.server.url(), path="copy")
    assert all(headers["Authorization"] == bench.server.authorization for _, _, headers in bench.server.asked)
    assert "git-remote-http" in seen[0] or "remote-http" in seen[0]
    secrets = [TOKEN, bench.server.authorization.removeprefix("Basic ")]
    everything = [*seen, caplog.text, *texts(bench.root), *texts(bench.data)]
    assert not any(secret in text for secret in secrets for text in everything)
    bench.server.token = "another"
    error = await bench.refused("git_fetch")
    assert error["code"] == "unauthorized"
    assert not any(secret in json.dumps(error) for secret in secrets)


async def test_a_call_that_is_cancelled_ends_its_processes_and_leaves_nothing(bench: Bench) -> None:
    reached = threading.Event()

    def drip(handler: Handler) -> None:
        handler.body()
        handler.send_response(200)
        handler.end_headers()
        reached.set()
        with suppress(OSError):
            for _ in range(600):
                handler.wfile.write(packet("NAK\n"))
                left.wait(0.1)

    left = threading.Event()
    bench.server.replies["/project.git/info/refs"] = advertising("1" * 40, ["refs/heads/main"])
    bench.server.replies["/project.git/git-upload-pack"] = drip
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.client.call_tool, "git_clone", {"url": bench.server.url(), "path": "copy"})
        await anyio.to_thread.run_sync(reached.wait, 20)
        assert processes(lambda text: str(bench.data) in text)
        assert list(bench.root.glob(".astro-mcp-clone-*"))
        tasks.cancel_scope.cancel()
    with anyio.fail_after(10):
        while processes(lambda text: str(bench.data) in text) or list(bench.root.glob(".astro*")):
            await anyio.sleep(0.02)
    left.set()
    assert [path.name for path in bench.root.iterdir()] == ["project"]


@pytest.mark.full
async def test_half_a_clone_that_a_killed_process_left_goes_at_the_next_start(bench: Bench) -> None:
    left = staging.begin(bench.data / "git", bench.root / "copy", bench.server.url())
    (left.folder / "half.txt").write_text("half")
    mine = bench.root / f"{left.folder.name[:-1]}g"
    mine.mkdir()
    note = left.note.with_name("astro-mcp-clone-0.json")
    note.write_text(json.dumps(str(bench.project)))
    await bench.call("git_fetch")
    there = (left.folder.exists(), mine.exists(), bench.project.exists())
    mine.rmdir()
    assert there == (False, True, True)
    assert not list((bench.data / "git").glob("*.json"))


@pytest.mark.full
async def test_a_front_gives_nothing_to_who_does_not_know_its_path(bench: Bench) -> None:
    """Another process of this machine finds the port of a call that goes on."""
    got: list[bytes] = []

    def ask(handler: Handler) -> None:
        for port in listening():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as link:
                link.sendall(
                    b"GET http://repository.invalid/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n\r\n"
                )
                got.append(link.recv(4096))
        handler.plain(500, b"")

    bench.server.replies["/project.git/info/refs"] = advertising("1" * 40, ["refs/heads/main"])
    bench.server.replies["/project.git/git-upload-pack"] = ask
    await bench.refused("git_fetch")
    assert any(b"403" in answer for answer in got)
    assert not any(b"1111" in answer for answer in got)


def listening() -> list[int]:
    """Ports of this process on loopback."""
    inodes = {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


def texts(folder: Path) -> list[str]:
    return [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
