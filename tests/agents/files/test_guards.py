"""What the files tools refuse, each with a typed error and nothing changed."""

from __future__ import annotations

import ctypes
import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.agents.files.house import House, listing, open_house, session_of

from astro_mcp.config import SecretSettings, Settings
from astro_mcp.core.authority import REPOSITORY, Label
from astro_mcp.daemon.hello import Hello, Terms
from astro_mcp.errors import (
    ApprovalRequired,
    AstroError,
    InvalidInput,
    NoRoot,
    NotFound,
    PathDenied,
    ProtectedPath,
    TooLarge,
)
from astro_mcp.testing import workbench

Tree = dict[str, bytes]
Calls = list[tuple[str, dict[str, Any]]]

REPLACING: Calls = [("fs_write", {"content": "x"}), ("fs_move", {"to": "b.txt"}), ("fs_delete", {})]

OUTSIDE = ["../secret.txt", "/etc/passwd", "src/../../secret.txt", "../project-sibling/x", "link/secret.txt", "direct"]


@pytest.fixture
def outside(tmp_path: Path, root: Path, tree: Tree) -> Path:
    """Files beside the root, and links in it that lead to them."""
    (tmp_path / "secret.txt").write_text("outside\n")
    (tmp_path / "project-sibling").mkdir()
    (tmp_path / "project-sibling" / "x").write_text("outside\n")
    (root / "link").symlink_to(tmp_path)
    (root / "direct").symlink_to(tmp_path / "secret.txt")
    return tmp_path


@pytest.mark.parametrize("path", OUTSIDE)
async def test_a_path_that_leads_outside_is_refused_by_every_tool(house: House, outside: Path, path: str) -> None:
    before = {name: data for name, data in listing(outside).items() if not name.startswith("data/")}
    calls: Calls = [
        ("fs_read", {"path": path}),
        ("fs_list", {"path": path}),
        ("fs_search", {"path": path, "pattern": "x"}),
        ("fs_write", {"path": path, "content": "x"}),
        ("fs_edit", {"edits": [{"path": path, "old": "outside", "new": "x"}]}),
        ("fs_move", {"path": "README.md", "to": path if path != "direct" else "link/x"}),
        ("fs_delete", {"path": path if path != "direct" else "link/secret.txt"}),
        ("fs_move", {"path": path if path != "direct" else "link/secret.txt", "to": "here.txt"}),
    ]
    for tool, args in calls:
        error = await house.refused(tool, **args)
        assert isinstance(error, PathDenied), (tool, error.text())
        assert str(outside) not in error.text()
    assert {name: data for name, data in listing(outside).items() if not name.startswith("data/")} == before


async def test_a_link_within_the_root_is_followed(house: House, root: Path, tree: Tree) -> None:
    (root / "alias").symlink_to("src")
    assert (await house.ok("fs_read", path="alias/app.py")).content == tree["src/app.py"].decode()
    await house.ok("fs_write", path="alias/app.py", content="x\n")
    assert (root / "alias").is_symlink()
    assert (root / "src/app.py").read_text() == "x\n"


async def test_links_without_end_are_refused(house: House, root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    previous = "README.md"
    for number in range(1500):
        (root / f"chain{number}").symlink_to(previous)
        previous = f"chain{number}"
    for path in ("a", "a/x", previous):
        error = await house.refused("fs_read", path=path)
        assert isinstance(error, PathDenied | NotFound), error.text()


async def test_nul_overlong_and_empty_names_are_invalid(house: House, root: Path) -> None:
    for path in ("a\0b", "x" * 5000, "a/" + "y" * 300, "", "."):
        error = await house.refused("fs_write", path=path, content="x")
        assert isinstance(error, InvalidInput), (path[:20], error.text())
    assert listing(root) == {}


async def test_a_hard_link_is_not_written_moved_or_deleted(house: House, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("outside\n")
    os.link(tmp_path / "outside.txt", root / "inside.txt")
    for tool, args in REPLACING:
        assert isinstance(await house.refused(tool, path="inside.txt", **args), PathDenied)
    edits = [{"path": "inside.txt", "old": "outside", "new": "x"}]
    assert isinstance(await house.refused("fs_edit", edits=edits), PathDenied)
    assert (tmp_path / "outside.txt").read_text() == "outside\n"
    assert os.stat(root / "inside.txt").st_nlink == 2


async def test_pipes_sockets_and_devices_are_refused_and_block_nobody(house: House, root: Path) -> None:
    os.mkfifo(root / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    folder = os.open(root, os.O_RDONLY)
    listener.bind(f"/proc/self/fd/{folder}/socket")
    try:
        for name in ("pipe", "socket"):
            assert isinstance(await house.refused("fs_read", path=name), PathDenied)
            assert isinstance(await house.refused("fs_write", path=name, content="x"), PathDenied)
            assert isinstance(await house.refused("fs_delete", path=name), PathDenied)
        assert {item.type for item in (await house.ok("fs_list", path=".")).items} == {"other"}
        assert (await house.ok("fs_search", pattern="x")).total == 0
    finally:
        listener.close()
        os.close(folder)


GIT = [
    ".git/config",
    ".git/hooks/pre-commit",
    "sub/.git/hooks/post-checkout",
    ".git",
    ".GIT/hooks/x",
    ".git./hooks/x",
    ".git /hooks/x",
    ".g\u200cit/hooks/x",
    "GIT~1/hooks/x",
    ".git::$INDEX_ALLOCATION/hooks/x",
    "\uff0egit/hooks/x",
]


async def test_nothing_is_written_into_git_whatever_its_spelling(house: House, root: Path) -> None:
    for path in GIT:
        assert isinstance(await house.refused("fs_write", path=path, content="#!/bin/sh\n"), ProtectedPath), path
    assert listing(root) == {}


HOST = [
    ".vscode/tasks.json",
    ".idea/workspace.xml",
    ".cursor/mcp.json",
    ".claude/settings.json",
    ".mcp.json",
    "CLAUDE.md",
    "sub/AGENTS.md",
    "claude.MD",
    ".github/workflows/ci.yml",
    ".GitHub/Workflows/ci.yml",
    ".gitlab-ci.yml",
    ".husky/pre-commit",
    ".pre-commit-config.yaml",
    ".gitmodules",
    ".gitattributes",
    ".envrc",
    ".devcontainer/devcontainer.json",
    "lib/x.pth",
    "sitecustomize.py",
    "conftest.py",
    "src/conftest.py",
    "VSCODE~1/tasks.json",
    "PRE-CO~1.YAM",
    "GITMOD~1",
]


async def test_files_that_make_a_host_run_something_need_a_person(house: House, root: Path) -> None:
    for path in HOST:
        error = await house.refused("fs_write", path=path, content="x\n")
        assert isinstance(error, ApprovalRequired), path
        assert "a person must make this change" in error.hint
    assert listing(root) == {}


async def test_trailing_dots_and_spaces_do_not_hide_a_name(house: House, root: Path) -> None:
    for path in ("AGENTS.md.", "CLAUDE.md ", ".vscode. /x"):
        assert isinstance(await house.refused("fs_write", path=path, content="x"), ApprovalRequired)


async def test_a_conftest_within_the_tests_is_an_ordinary_file(house: House, root: Path) -> None:
    await house.ok("fs_write", path="tests/unit/conftest.py", content="x = 1\n")


async def test_a_guarded_name_is_reached_by_no_other_door(house: House, root: Path, tree: Tree) -> None:
    (root / "plugin").mkdir()
    (root / "plugin" / ".vscode").mkdir()
    (root / "plugin" / ".vscode" / "tasks.json").write_text("{}")
    (root / "nested").mkdir()
    (root / "nested" / ".git").mkdir()
    (root / "nested" / ".git" / "config").write_text("")
    (root / "alias").symlink_to(".git", target_is_directory=True)
    (root / ".git").mkdir()
    before = listing(root)
    calls: list[tuple[str, dict[str, Any], type[AstroError]]] = [
        ("fs_move", {"path": "README.md", "to": ".git/hooks/pre-commit"}, ProtectedPath),
        ("fs_move", {"path": "README.md", "to": "CLAUDE.md"}, ApprovalRequired),
        ("fs_move", {"path": "plugin", "to": "elsewhere"}, ApprovalRequired),
        ("fs_move", {"path": "nested", "to": "elsewhere"}, ProtectedPath),
        ("fs_delete", {"path": "nested"}, ProtectedPath),
        ("fs_delete", {"path": "plugin"}, ApprovalRequired),
        ("fs_write", {"path": "alias/hooks/x", "content": "x"}, ProtectedPath),
    ]
    for tool, args, kind in calls:
        error = await house.refused(tool, **args)
        assert isinstance(error, kind), (tool, args, error.text())
    assert listing(root) == before


async def test_script_keys_of_package_files_need_a_person_and_the_rest_does_not(house: House, root: Path) -> None:
    (root / "package.json").write_text('{"name": "x", "scripts": {"test": "jest"}}')
    text = '{"name": "y", "scripts": {"test": "jest"}}'
    await house.ok("fs_write", path="package.json", content=text)
    for content in (text.replace("jest", "curl evil"), '{"name": "y"}', "not json"):
        error = await house.refused("fs_write", path="package.json", content=content)
        assert isinstance(error, ApprovalRequired)
    assert (root / "package.json").read_text() == text
    new = '[project]\nname = "x"\n'
    await house.ok("fs_write", path="pyproject.toml", content=new)
    hostile = new + '[build-system]\nrequires = []\nbuild-backend = "evil"\nbackend-path = ["."]\n'
    assert isinstance(await house.refused("fs_write", path="pyproject.toml", content=hostile), ApprovalRequired)
    (root / "x.json").write_text('{"scripts": {"postinstall": "evil"}}')
    error = await house.refused("fs_move", path="x.json", to="sub/package.json")
    assert isinstance(error, ApprovalRequired)


SECRETS = [
    ".env",
    ".ENV",
    ".env.local",
    "prod.env",
    "id_rsa",
    "deploy_id_ed25519",
    ".ssh/config",
    ".aws/credentials",
    "server.key",
    "cert.pem",
    ".netrc",
    ".npmrc",
    ".git-credentials",
    ".git/config",
    "config/secrets.yml",
    "terraform.tfstate",
    "service-account-1.json",
    ".kube/config",
    "ENV~1",
    ".docker/config.json",
]


async def test_secrets_are_neither_read_nor_replaced_nor_moved_to_where_they_could_be(house: House, root: Path) -> None:
    for path in SECRETS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("TOKEN=1\n")
        assert isinstance(await house.refused("fs_read", path=path), ProtectedPath), path
        for tool, args in REPLACING:
            assert isinstance(await house.refused(tool, path=path, **args), ProtectedPath), (tool, path)
        edits = [{"path": path, "old": "1", "new": "2"}]
        assert isinstance(await house.refused("fs_edit", edits=edits), ProtectedPath), path
    assert (await house.ok("fs_search", pattern="TOKEN", path=".")).total == 0
    assert {(root / path).read_text() for path in SECRETS} == {"TOKEN=1\n"}


async def test_what_the_operator_lists_is_read_through_every_tool_and_no_workspace_can_list_it(
    tmp_path: Path, root: Path
) -> None:
    """The same two files before and after, in a root that is full of what looks like the operator's settings."""
    for path in ("certs/test.pem", ".env"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("TOKEN=1\n")
    everything = '[secrets]\nreadable = ["**", "*", ".env", "certs/*.pem"]\n'
    for path in ("config.toml", ".astro-mcp/config.toml", "astro-mcp.toml", ".astro/config.toml", "certs/config.toml"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(everything)
    (root / ".envrc").write_text("export ASTRO_MCP_SECRETS__READABLE='[\"**\"]'\n")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    for listed, found in ([], []), (["certs/*.pem"], ["certs/test.pem"]):
        (data / "config.toml").write_text(f"[secrets]\nreadable = {listed}\n")
        async with workbench(data, roots=[root]) as bench:
            for path in ("certs/test.pem", ".env"):
                read = await bench.call("fs_read", path=path)
                assert read.error is None if path in found else isinstance(read.error, ProtectedPath), (listed, path)
                assert ("TOKEN=1" in read.unwrap().text()) if path in found else read.value is None
                asked = await bench.call("fs_read", path=path, readable=["**"])
                assert isinstance(asked.error, InvalidInput), "it is no argument"
            hits = (await bench.value("fs_search", pattern="TOKEN=1")).model_dump()["items"]
            assert [hit["path"] for hit in hits] == found


async def test_what_a_change_of_a_listed_secret_leaves_for_its_undo_bears_the_label(tmp_path: Path, root: Path) -> None:
    (root / ".env").write_text("TOKEN=1\n")
    (root / "plain.txt").write_text("plain\n")
    async with open_house(tmp_path / "data", [root], SecretSettings(readable=(".env",))) as house:
        for path, labels in ((".env", {*REPOSITORY, Label.SECRET}), ("plain.txt", REPOSITORY)):
            before = hashlib.sha256((root / path).read_bytes()).hexdigest()
            await house.ok("fs_write", path=path, content="another\n", if_match=before)
            assert await house.artifacts.labels(house.session.scope, before) == labels


async def test_a_link_to_a_secret_is_one_and_an_example_is_none(house: House, root: Path) -> None:
    (root / ".env").write_text("TOKEN=1\n")
    (root / "settings.txt").symlink_to(".env")
    (root / ".env.example").write_text("TOKEN=\n")
    assert isinstance(await house.refused("fs_read", path="settings.txt"), ProtectedPath)
    assert (await house.ok("fs_read", path=".env.example")).content == "TOKEN=\n"


async def test_a_folder_with_a_secret_is_not_moved_out_of_the_guard(house: House, root: Path) -> None:
    (root / ".aws").mkdir()
    (root / ".aws" / "config").write_text("key\n")
    (root / "holder").mkdir()
    (root / "holder" / ".env").write_text("TOKEN=1\n")
    assert isinstance(await house.refused("fs_move", path=".aws", to="plain"), ProtectedPath)
    assert isinstance(await house.refused("fs_delete", path="holder"), ProtectedPath)


async def test_without_a_root_every_tool_says_how_to_get_one(house: House) -> None:
    error = await house.refused("fs_read", session=session_of(), path="x")
    assert isinstance(error, NoRoot)
    assert "--root" in error.hint


async def test_a_root_that_was_asked_for_and_refused_is_named_with_the_reason(house: House, root: Path) -> None:
    (root / "a.txt").write_text("x\n")
    terms = Terms(Settings(), (), (), 0, {}, {})
    for folder, reason in (
        (root / "gone", "there is no such folder"),
        (root / "a.txt", "there is no such folder"),
        (Path("/"), "the whole file system is no workspace"),
    ):
        for hello in (Hello(roots=(str(folder),)), Hello(cwd=str(folder))):
            session = terms.peer(hello).session
            for tool, more in (("fs_read", {"path": "a.txt"}), ("fs_list", {})):
                error = await house.refused(tool, session=session, **more)
                assert isinstance(error, NoRoot)
                assert error.hint.startswith(f"{folder}: {reason}; add --root "), error.hint


async def test_a_folder_of_too_much_is_not_deleted(house: House, root: Path) -> None:
    (root / "big").mkdir()
    for number in range(2_001):
        (root / "big" / str(number)).touch()
    assert isinstance(await house.refused("fs_delete", path="big"), TooLarge)
    assert len(list((root / "big").iterdir())) == 2_001


async def test_a_link_swapped_in_under_the_tools_wins_no_race(house: House, root: Path, tmp_path: Path) -> None:
    """One thread turns a folder into a link that leads out, and back, as fast as it can; the tools go on reading and
    writing there. Nothing of the outside is read, and nothing is written there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f.txt").write_text("OUTSIDE\n")
    (root / "real").mkdir()
    (root / "real" / "f.txt").write_text("inside\n")
    os.symlink(outside, root / "way_out")
    over = threading.Event()
    libc = ctypes.CDLL(None)

    def swap() -> None:
        names = os.fsencode(root / "real"), os.fsencode(root / "way_out")
        while not over.is_set():
            assert libc.renameat2(-100, names[0], -100, names[1], 2) == 0  # AT_FDCWD, RENAME_EXCHANGE

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = {"ok": 0, "refused": 0}
    try:
        for number in range(100):
            read = await house.result("fs_read", path="real/f.txt")
            outcomes["ok" if read.error is None else "refused"] += 1
            if read.error is None:
                assert "OUTSIDE" not in read.unwrap().text()
            await house.result("fs_write", path="real/f.txt", content=f"inside {number}\n")
    finally:
        over.set()
        thread.join()
    assert listing(outside) == {"f.txt": b"OUTSIDE\n"}
    assert outcomes["ok"] > 0


async def test_a_copy_that_an_editor_left_of_a_secret_is_one(house: House, root: Path) -> None:
    copies = (".env~", "#.env#", ".npmrc.bak", ".id_rsa.swp", ".credentials.json.swp", "server.key~", "x.pem.orig.old")
    public = ("notes.md~", "app.py.orig", "tokens.md.bak")
    for name in (*copies, *public):
        (root / name).write_text("needle\n")
    for name in copies:
        result = await house.result("fs_read", path=name)
        assert isinstance(result.error, ProtectedPath), name
    found = await house.ok("fs_search", pattern="needle")
    assert sorted(item.path for item in found.items) == sorted(public)
