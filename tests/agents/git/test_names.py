"""Names that are no UTF-8: every tool tells them alike, and takes them as they are told."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.git.bench import Bench

from astro_mcp.workspace.git.escapes import in_one_line, named, shown

NAMES = {
    b"latin\xe9.txt": "latin\\xe9.txt",
    b"latin\\xe9.txt": "latin\\x5cxe9.txt",
    b"latin\\x5cxe9.txt": "latin\\x5cx5cxe9.txt",
    b"f\xfcr/caf\xe9": "f\\xfcr/caf\\xe9",
    "\u00fcber.txt".encode(): "\u00fcber.txt",
    b"back\\slash\\x41": "back\\slash\\x41",
}
"""What is in the tree, and how it is told."""


def plain(bench: Bench, *arguments: str | bytes) -> bytes:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "--literal-pathspecs")
    return subprocess.run(["git", *who, *arguments], cwd=bench.root, capture_output=True, check=True).stdout


@pytest.fixture
def odd(bench: Bench) -> Bench:
    """All of the names in a commit, and then changed."""
    for name in NAMES:
        path = os.path.join(os.fsencode(bench.root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"first: %s\n" % name)
    plain(bench, "add", "-A")
    plain(bench, "commit", "-q", "-m", "Odd names")
    for name in NAMES:
        with open(os.path.join(os.fsencode(bench.root), name), "ab") as file:
            file.write(b"second\n")
    return bench


async def test_every_tool_tells_a_name_alike_and_takes_it_so(odd: Bench) -> None:
    status = await odd.call("git_status")
    assert {one.path for one in status.unstaged} == set(NAMES.values())
    assert {file.path for file in (await odd.call("git_diff")).files} == set(NAMES.values())
    assert {file.path for file in (await odd.call("git_show")).files} == set(NAMES.values())
    for raw, name in NAMES.items():
        log = await odd.call("git_log", path=name)
        assert [item.subject for item in log.items] == ["Odd names"], name
        diff = await odd.call("git_diff", paths=[name])
        assert [(file.path, file.additions) for file in diff.files] == [(name, 1)]
        assert [hunk.path for hunk in diff.hunks] == [name]
        shown_file = await odd.call("git_show", path=name)
        assert shown_file.path == name
        assert shown_file.content.encode() == (b"first: %s\n" % raw).decode("utf-8", "replace").encode()
        blame = await odd.call("git_show", path=name, blame=True, end_line=1)
        assert (blame.path, len(blame.lines)) == (name, 1)
        made = await odd.call("git_commit", message=f"One: {name}", paths=[name])
        assert [file.path for file in made.files] == [name]
        assert plain(odd, "log", "-1", "--name-only", "--format=", "-z").rstrip(b"\0") == raw


async def test_a_folder_of_such_a_name_lists_names_that_can_be_asked_again(odd: Bench) -> None:
    folder = await odd.call("git_show", path="f\\xfcr")
    assert (folder.path, folder.content) == ("f\\xfcr", "f\\xfcr/caf\\xe9")
    assert (await odd.call("git_show", path=folder.content)).bytes == len(b"first: f\xfcr/caf\xe9\n")


async def test_an_untracked_one_is_told_and_committed_and_deleted(odd: Bench) -> None:
    path = os.path.join(os.fsencode(odd.root), b"new\xff\xfe")
    with open(path, "wb") as file:
        file.write(b"x\n")
    for _ in range(2):
        assert (await odd.call("git_status")).untracked == ["new\\xff\\xfe"]
    made = await odd.call("git_commit", message="New", paths=["new\\xff\\xfe"])
    assert [(file.path, file.change) for file in made.files] == [("new\\xff\\xfe", "A")]
    os.unlink(path)
    assert ("new\\xff\\xfe", "D") in {(one.path, one.change) for one in (await odd.call("git_status")).unstaged}
    made = await odd.call("git_commit", message="Gone", paths=["new\\xff\\xfe"])
    assert [(file.path, file.change) for file in made.files] == [("new\\xff\\xfe", "D")]


async def test_a_hunk_of_such_a_file_is_committed_by_its_id(odd: Bench) -> None:
    hunk = (await odd.call("git_diff", paths=["latin\\xe9.txt"])).hunks[0]
    made = await odd.call("git_commit", message="The hunk", hunk_ids=[hunk.id])
    assert [file.path for file in made.files] == ["latin\\xe9.txt"]


async def test_a_rename_tells_the_former_name_so(odd: Bench) -> None:
    plain(odd, "checkout", "-q", "--", ".")
    plain(odd, "mv", b"latin\xe9.txt", b"other\xe8.txt")
    status = await odd.call("git_status")
    assert [(one.path, one.former) for one in status.staged] == [("other\\xe8.txt", "latin\\xe9.txt")]


async def test_an_error_tells_the_name_as_it_can_be_asked(odd: Bench) -> None:
    result = await odd.result("git_show", path="none\\xe9.txt")
    assert result.error is not None
    assert result.error.code == "not_found"
    assert "none\\xe9.txt" in result.error.message


async def test_the_secrets_list_goes_by_the_name_itself(bench: Bench) -> None:
    for name in (b".env", b"caf\xe9/.env"):
        path = os.path.join(os.fsencode(bench.root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"KEY=1\n")
    plain(bench, "add", "-f", "-A")
    plain(bench, "commit", "-q", "-m", "Secrets")
    for asked in (".env", "caf\\xe9/.env", "./caf\\xe9/../.env"):
        result: Any = await bench.result("git_show", path=asked)
        assert result.error is not None
        assert result.error.code == "protected_path", asked


async def test_a_name_that_reads_like_an_escape_is_taken_as_it_stands_where_it_alone_is_there(bench: Bench) -> None:
    bench.write("a\\xe9.txt", "x\n")
    made = await bench.call("git_commit", message="As the file tools name it", paths=["a\\xe9.txt"])
    assert [file.path for file in made.files] == ["a\\x5cxe9.txt"]
    bench.git("init", "-q", "nested")
    bench.write("nested/b\\xe9.txt", "x\n")
    made = await bench.call("git_commit", repo="nested", message="In another", paths=["b\\xe9.txt"])
    assert [file.path for file in made.files] == ["b\\x5cxe9.txt"]


PIECES = st.sampled_from([b"\\", b"x", b"5c", b"e9", b"0a", b"\n", b"\xe9", b"\xc3", b"8"])


@given(st.binary(min_size=1, max_size=12) | st.lists(PIECES).map(b"".join))
def test_what_is_told_of_any_name_leads_back_to_it(raw: bytes) -> None:
    path = os.fsdecode(raw)
    told = shown(path)
    told.encode()
    assert named(told) == named(in_one_line(path)) == path
    assert "\n" not in in_one_line(path)


FORGED = "ok\nconflicts:\n  U src\tsecret.py\x1b"
SAID = "ok\\nconflicts:\\n  U src\\tsecret.py\\x1b"
"""A name that would be three lines of ours, and how text shows it."""


async def test_a_name_with_line_feeds_is_one_line_of_every_text(bench: Bench) -> None:
    plain(bench, "checkout", "-q", "-b", "side")
    bench.write(FORGED, "side\n")
    status = await bench.call("git_status")
    assert status.untracked == [FORGED]
    assert status.text().splitlines() == ["on branch side", "untracked:", f"  {SAID}"]
    made = await bench.call("git_commit", message="Forged", paths=[FORGED])
    assert made.files[0].path == FORGED
    assert made.text().splitlines()[1:] == [f"  A {SAID}"]
    for of_files in (await bench.call("git_show"), await bench.call("git_diff", **{"from": "main", "to": "side"})):
        assert of_files.files[0].path == FORGED
        assert f"{SAID} +1 -0" in of_files.text().splitlines()
    shown_file = await bench.call("git_show", path=FORGED)
    assert shown_file.text().splitlines()[0].startswith(f"{SAID} in ")
    plain(bench, "mv", FORGED, f"{FORGED}2")
    status = await bench.call("git_status")
    assert (status.staged[0].former, status.staged[0].path) == (FORGED, f"{FORGED}2")
    assert status.text().splitlines()[1:] == ["staged:", f"  R {SAID} -> {SAID}2"]


async def test_a_conflict_and_a_refusal_name_such_a_file_in_one_line(bench: Bench) -> None:
    for branch in ("side", "main"):
        plain(bench, "checkout", "-q", *(["-b"] if branch == "side" else []), branch)
        bench.write(FORGED, f"{branch}\n")
        plain(bench, "add", "-A")
        plain(bench, "commit", "-q", "-m", branch)
    preview = await bench.call("git_merge_preview", **{"from": "side", "into": "main"})
    assert preview.conflicts[0].path == FORGED
    assert f"--- {SAID}: contents" in preview.text().splitlines()
    refused = await bench.result("git_merge", **{"from": "side", "into": "main"})
    assert refused.error is not None
    assert f"- {SAID}: " in refused.error.text()
    bench.write(FORGED, "changed\n")
    refused = await bench.result("git_branch", action="switch", name="side")
    assert refused.error is not None
    assert f"- {SAID}: has changes that are not committed" in refused.error.text().splitlines()


async def test_a_folder_lists_such_names_a_line_each_that_can_be_asked_again(bench: Bench) -> None:
    names = ["folder/a\nb", "folder/a\\x0ab", "folder/c\nd/e"]
    for name in names:
        bench.write(name, f"{len(name)}\n")
    plain(bench, "add", "-A")
    plain(bench, "commit", "-q", "-m", "Names")
    folder = await bench.call("git_show", path="folder")
    assert folder.content.split("\n") == ["folder/a\\x0ab", "folder/a\\x5cx0ab", "folder/c\\x0ad/"]
    for said, name in zip(folder.content.split("\n"), names, strict=True):
        found = await bench.call("git_show", path=said)
        assert found.content == (f"{len(name)}\n" if found.kind == "file" else "folder/c\\x0ad/e")
