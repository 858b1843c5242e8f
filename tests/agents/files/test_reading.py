"""fs_read, fs_list, fs_search, and the files resource."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.agents.files.house import House, session_of
from tests.agents.files.pdfs import pdf
from tests.quickest import within

from astro_mcp.core.authority import Label
from astro_mcp.errors import InvalidInput, LimitHit, NotFound, TooLarge
from astro_mcp.faces.mcp.budget import Budget
from astro_mcp.faces.mcp.peer import FULL
from astro_mcp.workspace import tree

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
Tree = dict[str, bytes]


async def test_reading_tells_text_encoding_line_ends_and_sha256(house: House, tree: Tree) -> None:
    read = await house.ok("fs_read", path="README.md")
    assert read.content == "# Project\n\nHello, world.\n"
    assert (read.encoding, read.eol, read.total_lines) == ("utf-8", "lf", 3)
    assert read.sha256 == hashlib.sha256(tree["README.md"]).hexdigest()
    assert read.sha256 in read.text()
    assert read.content in read.text()


async def test_the_structured_form_calls_the_content_text_and_reads_back(house: House, tree: Tree) -> None:
    read = await house.ok("fs_read", path="README.md")
    body = read.model_dump(mode="json", round_trip=True)
    assert body["text"] == read.content
    assert type(read).model_validate(body) == read


async def test_what_is_read_is_labelled_private_and_untrusted(house: House, tree: Tree) -> None:
    result = await house.result("fs_read", path="README.md")
    assert result.labels >= {Label.PRIVATE, Label.UNTRUSTED}


@pytest.mark.parametrize(
    ("data", "encoding", "eol", "text"),
    [
        (b"a\r\nb\r\n", "utf-8", "crlf", "a\nb\n"),
        (b"a\rb\r", "utf-8", "cr", "a\nb\n"),
        (b"a\r\nb\n", "utf-8", "mixed", "a\nb\n"),
        (b"\xef\xbb\xbfa\n", "utf-8-sig", "lf", "a\n"),
        ("\ufeffé\r\n".encode("utf-16-le"), "utf-16-le", "crlf", "é\n"),
        ("\ufeffé\n".encode("utf-16-be"), "utf-16-be", "lf", "é\n"),
        ("caf\u00e9 \u20ac\n".encode("cp1252"), "cp1252", "lf", "café €\n"),
        (b"caf\xe9 \x81\n", "latin-1", "lf", "café \x81\n"),
        ("日本\n".encode(), "utf-8", "lf", "日本\n"),
        (b"", "utf-8", "none", ""),
    ],
)
async def test_encodings_and_line_ends_are_found_out(
    house: House, root: Path, data: bytes, encoding: str, eol: str, text: str
) -> None:
    (root / "file.txt").write_bytes(data)
    read = await house.ok("fs_read", path="file.txt")
    assert (read.encoding, read.eol, read.content) == (encoding, eol, text)


async def test_a_part_of_a_file_is_told_as_such(house: House, root: Path) -> None:
    (root / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 101)))
    read = await house.ok("fs_read", path="long.txt", start_line="10", max_lines=2)
    assert read.content == "line 10\nline 11\n"
    assert (read.note, read.total_lines) == ("lines 10-11", 100)
    assert (await house.ok("fs_read", path="long.txt", start_line=101)).content == ""


async def test_a_binary_file_is_told_and_not_shown(house: House, root: Path) -> None:
    (root / "a.bin").write_bytes(b"\x00\x01\x02secret-looking")
    read = await house.ok("fs_read", path="a.bin")
    assert (read.kind, read.content) == ("binary", "")
    assert "binary" in read.text()


async def test_images_are_attached_while_they_fit_together(house: House, root: Path) -> None:
    (root / "small.png").write_bytes(PNG)
    (root / "big.png").write_bytes(PNG + bytes(600_000))
    result = await house.result("fs_read", paths=["big.png", "small.png"])
    assert [(blob.mime, blob.data) for blob in result.blobs] == [("image/png", PNG)]


async def test_several_files_come_at_once_and_a_missing_one_says_so(house: House, tree: Tree) -> None:
    read = await house.ok("fs_read", paths='["README.md", "missing.txt", ".git/config"]')
    assert [bool(file.error) for file in read.files] == [False, True, True]
    assert "Hello, world." in read.text()
    assert "not_found" in read.text()


async def test_a_pdf_is_read_as_text_page_by_page(house: House, root: Path) -> None:
    (root / "a.pdf").write_bytes(pdf(["First page", "Second page"]))
    read = await house.ok("fs_read", path="a.pdf")
    assert "[page 1]\nFirst page" in read.content
    assert "[page 2]\nSecond page" in read.content


async def test_a_broken_pdf_is_invalid_input(house: House, root: Path) -> None:
    (root / "a.pdf").write_bytes(b"%PDF-1.7\n" + os.urandom(2000))
    assert isinstance(await house.refused("fs_read", path="a.pdf"), InvalidInput)


async def test_a_pdf_that_inflates_without_end_is_stopped(house: House, root: Path) -> None:
    (root / "bomb.pdf").write_bytes(pdf(["x"], inflate=200 << 20))
    began = time.monotonic()
    error = await house.refused("fs_read", path="bomb.pdf")
    assert isinstance(error, LimitHit | InvalidInput)
    assert time.monotonic() - began < 35


async def test_listing_without_a_path_names_the_roots(house: House, root: Path) -> None:
    listed = await house.ok("fs_list")
    assert [item.path for item in listed.items] == [str(root)]


async def test_listing_leaves_out_what_is_ignored_unless_asked(house: House, tree: Tree, root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    names = [item.path for item in (await house.ok("fs_list", path=".")).items]
    assert names == [".gitignore", "README.md", "docs", "docs/windows.txt", "src", "src/app.py", "src/deep"]
    everything = [item.path for item in (await house.ok("fs_list", path=".", include_ignored=True)).items]
    assert {"noise.log", "build", "build/out.js"} <= set(everything)
    assert not any(name.startswith(".git/") for name in everything)


async def test_a_file_that_is_being_written_is_not_shown_yet(house: House, tree: Tree, root: Path) -> None:
    (root / f".undo_{'0' * 32}.tmp").write_text("needle\n")
    (root / ".undo_mine.tmp").write_text("needle\n")
    listed = await house.ok("fs_list", path=".", include_ignored=True, depth=1)
    assert [item.path for item in listed.items if "undo" in item.path] == [".undo_mine.tmp"]
    found = await house.ok("fs_search", pattern="needle")
    assert [item.path for item in found.items] == [".undo_mine.tmp", "src/deep/er/x.txt"]


async def test_a_nested_gitignore_goes_before_an_outer_one(house: House, tree: Tree, root: Path) -> None:
    (root / "src" / ".gitignore").write_text("!kept.log\n/app.py\n")
    (root / "src" / "kept.log").write_text("x")
    names = [item.path for item in (await house.ok("fs_list", path="src")).items]
    assert "src/kept.log" in names
    assert "src/app.py" not in names


async def test_a_gitignore_of_hostile_patterns_costs_no_time(house: House, root: Path) -> None:
    (root / ".gitignore").write_text("*a" * 5 + "b\n" + "[\n")
    (root / ("a" * 120)).write_text("x")
    began = time.monotonic()
    listed = await house.ok("fs_list", path=".")
    assert listed.total == 2
    assert time.monotonic() - began < 5


async def test_a_glob_reaches_every_depth_and_depth_bounds_the_rest(house: House, tree: Tree) -> None:
    assert [i.path for i in (await house.ok("fs_list", path=".", glob="*.txt")).items] == [
        "docs/windows.txt",
        "src/deep/er/x.txt",
    ]
    assert all("/" not in item.path for item in (await house.ok("fs_list", path=".", depth=1)).items)


async def test_a_big_folder_is_named_with_its_count(house: House, root: Path) -> None:
    (root / "many").mkdir()
    for number in range(300):
        (root / "many" / f"{number}.txt").touch()
    listed = await house.ok("fs_list", path=".")
    assert [(folder.path, folder.entries) for folder in listed.collapsed] == [("many", 300)]
    assert "many/ … 300 entries" in listed.text()
    assert (await house.ok("fs_list", path="many")).total == 300


async def test_a_tree_of_many_counted_folders_comes_in_full_pages(
    house: House, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "WIDEST", 0)
    for number in range(400):
        (root / f"a folder with number {number:03}").mkdir()
        (root / f"a folder with number {number:03}" / "file").touch()
    arguments: dict[str, Any] = {"path": ".", "depth": 50}
    value = await house.ok("fs_list", **arguments)
    budget, fs_list = Budget(house.artifacts), house.dispatcher.registry.tools["fs_list"]
    shapes = [await budget.shape(house.session, fs_list, arguments, value, FULL)]
    while cursor := (shapes[-1].structured or {}).get("next_cursor"):
        shapes.append(await budget.resume(house.session, fs_list, arguments, cursor, FULL))
    pages = [(shape.structured or {})["items"] for shape in shapes]
    assert len(pages) < 5
    assert [item["path"] for page in pages for item in page] == [item.path for item in value.items]
    assert all(item["entries"] == 1 for page in pages for item in page)
    assert sum((shape.text or "").count(" … 1 entries, not listed") for shape in shapes) == 400


async def test_a_tree_shows_all_of_its_top_before_its_depths_and_counts_the_rest(house: House, root: Path) -> None:
    for a in range(12):
        for b in range(10):
            (root / f"a{a:02}" / f"b{b}").mkdir(parents=True)
            for c in range(11):
                (root / f"a{a:02}" / f"b{b}" / f"{c}.txt").touch()
    listed = await house.ok("fs_list", path=".", depth=50)
    shown = {item.path for item in listed.items}
    assert {f"a{a:02}/b{b}" for a in range(12) for b in range(10)} <= shown
    assert listed.total == len(shown) <= tree.BUDGET
    assert listed.collapsed
    assert sum(folder.entries for folder in listed.collapsed) + len(shown) == 12 + 120 + 1_320
    assert [item.path for item in listed.items] == sorted(shown, key=lambda path: path.split("/"))
    below = await house.ok("fs_list", path="a11", depth=50)
    assert below.total == 120
    assert not below.collapsed


@pytest.mark.full
async def test_a_tree_of_45_000_files_is_listed_and_searched_soon(house: House, root: Path) -> None:
    for a in range(45):
        for b in range(20):
            (root / f"a{a}" / f"b{b}").mkdir(parents=True)
            for c in range(50):
                (root / f"a{a}" / f"b{b}" / f"{c}.txt").write_text("needle\n" if (b, c) == (0, 0) else "hay\n")
    listed = await within(2, lambda: house.ok("fs_list", path=".", depth=50))
    assert len(listed.items) <= tree.BUDGET
    globbed = await within(4, lambda: house.ok("fs_list", path=".", glob="0.txt"))
    assert globbed.total == 900
    found = await within(8, lambda: house.ok("fs_search", pattern="needle"))
    assert (found.total, found.searched) == (45, 45_000)


async def test_search_finds_lines_with_their_places(house: House, tree: Tree) -> None:
    found = await house.ok("fs_search", pattern="needle")
    assert [(item.path, item.line, item.column) for item in found.items] == [("src/deep/er/x.txt", 1, 1)]
    assert "src/deep/er/x.txt:1:1: needle in the deep" in found.text()


async def test_search_by_regular_expression_with_context(house: House, tree: Tree) -> None:
    found = await house.ok("fs_search", pattern=r"^def (\w+)\(", regex=True, glob="*.py", context=1)
    assert [(item.line, item.text) for item in found.items] == [(4, "def main():"), (8, "def other():")]
    assert [item.after for item in found.items] == [["    return 1"], ["    return 1"]]


async def test_search_counts_characters_and_drops_carriage_returns(house: House, root: Path) -> None:
    (root / "a.txt").write_bytes("ééx needle\r\nlast".encode())
    item = (await house.ok("fs_search", pattern="needle")).items[0]
    assert (item.column, item.text) == (5, "ééx needle")


async def test_search_tells_lines_that_end_with_a_carriage_return_alone(house: House, root: Path) -> None:
    (root / "mac.txt").write_bytes(b"one hit\rtwo\rthree hit\r")
    found = await house.ok("fs_search", pattern="hit$", regex=True, context=1)
    assert [(item.line, item.column, item.text) for item in found.items] == [(1, 5, "one hit"), (3, 7, "three hit")]
    assert (found.items[0].before, found.items[0].after) == ([], ["two"])


async def test_a_class_that_fits_a_lines_end_finds_the_line_that_is_meant(house: House, root: Path) -> None:
    (root / "a.py").write_text("import os\n\n\ndef one():\n    return 1\n\n\n  def two():\n    pass\n")
    for pattern, lines in ((r"^\s*def", [4, 8]), (r"\s+return", [5]), (r"[^a-z]def", [8]), (r"\W+pass", [9])):
        found = await house.ok("fs_search", pattern=pattern, regex=True)
        assert [item.line for item in found.items] == lines, pattern
        assert all(item.text for item in found.items)
    for pattern in (r"(?s)one.*return", r":\n\s+return", "(?i)ONE[^x]*\n +RETURN"):
        assert [item.line for item in (await house.ok("fs_search", pattern=pattern, regex=True)).items] == [4], pattern


async def test_no_line_is_found_behind_the_last_one(house: House, root: Path) -> None:
    (root / "two.txt").write_bytes(b"one\n\n")
    (root / "open.txt").write_bytes(b"one\n\ntwo")
    (root / "empty.txt").write_bytes(b"")
    found = await house.ok("fs_search", pattern="^$", regex=True)
    assert [(item.path, item.line) for item in found.items] == [("open.txt", 2), ("two.txt", 2)]
    assert (await house.ok("fs_search", pattern="^", regex=True)).total == 5


async def test_a_byte_order_mark_is_no_part_of_the_first_line(house: House, root: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32-be"):
        mark = b"\0\0\xfe\xff" if encoding == "utf-32-be" else b""
        (root / f"{encoding}.cs").write_bytes(mark + "using System;\n".encode(encoding))
    found = await house.ok("fs_search", pattern="^using", regex=True)
    assert [(item.path, item.column, item.text) for item in found.items] == [
        (f"{encoding}.cs", 1, "using System;") for encoding in ("utf-16", "utf-32-be", "utf-8-sig")
    ]


async def test_lines_that_end_as_on_windows_are_searched_as_they_are_read(house: House, root: Path) -> None:
    (root / "windows.txt").write_bytes(b"one();\r\ntwo\r\n\r\nthree \r\n")
    for pattern, regex, lines in ((";$", True, [1]), ("one();\ntwo", False, [1]), (" $", True, [4]), ("^$", True, [3])):
        found = await house.ok("fs_search", pattern=pattern, regex=regex)
        assert [item.line for item in found.items] == lines, pattern
    for pattern, regex in ((r"\r$", True), (r"two\x0D", True), ("two\r\n", False)):
        assert (await house.ok("fs_search", pattern=pattern, regex=regex)).total, "who names them finds them"


async def test_an_expression_that_backtracks_elsewhere_is_fast_here(house: House, root: Path) -> None:
    (root / "a.txt").write_text("a" * 100_000)
    began = time.monotonic()
    assert (await house.ok("fs_search", pattern="(a+)+$b", regex=True)).total == 0
    assert time.monotonic() - began < 5


async def test_a_bad_expression_or_glob_is_invalid_input(house: House, tree: Tree) -> None:
    assert isinstance(await house.refused("fs_search", pattern="(", regex=True), InvalidInput)
    assert isinstance(await house.refused("fs_search", pattern="x", glob="!x"), InvalidInput)


async def test_a_file_over_the_bound_is_told_and_a_binary_one_has_no_lines(house: House, root: Path) -> None:
    (root / "long.txt").write_bytes(b"needle\n" * 700_000)
    (root / "a.bin").write_bytes(b"needle\0")
    (root / "a.txt").write_bytes(b"needle\n")
    found = await house.ok("fs_search", pattern="needle")
    assert [item.path for item in found.items] == ["a.txt"]
    assert found.skipped == 1
    assert "1 over 4 MB skipped" in found.text()


async def test_search_leaves_secrets_out_and_says_how_many(house: House, root: Path) -> None:
    (root / ".env").write_text("needle=1\n")
    found = await house.ok("fs_search", pattern="needle")
    assert found.total == 0
    assert "1 files that may hold secrets" in found.text()


async def test_the_resource_reads_like_the_tool_and_completes_paths(house: House, tree: Tree) -> None:
    resource, variables = house.dispatcher.registry.resource("astro://files/src/app.py", house.session.grant)
    body = await resource.read(house.session, variables)
    assert body.text == tree["src/app.py"].decode()
    assert resource.complete is not None
    assert await resource.complete(house.session, "src/") == ["src/app.py", "src/deep/"]
    assert await resource.complete(house.session, "RE") == ["README.md"]


async def test_two_roots_are_told_apart_by_paths_that_work(house: House, tree: Tree, tmp_path: Path) -> None:
    other = (tmp_path / "other").resolve()
    other.mkdir()
    (other / "only.txt").write_text("needle two\n")
    (other / "README.md").write_text("# Other\n")
    session = session_of(house.root, other)
    assert (await house.ok("fs_read", session=session, path="README.md")).content.startswith("# Project")
    assert (await house.ok("fs_read", session=session, path="only.txt")).content == "needle two\n"
    found = await house.ok("fs_search", session=session, pattern="needle two")
    assert (await house.ok("fs_read", session=session, path=found.items[0].path)).content == "needle two\n"


async def test_a_missing_file_and_a_huge_one_are_typed_errors(house: House, root: Path) -> None:
    assert isinstance(await house.refused("fs_read", path="missing.txt"), NotFound)
    with (root / "huge.bin").open("wb") as file:
        file.truncate(33 * 1024 * 1024)
    error = await house.refused("fs_read", path="huge.bin")
    assert isinstance(error, TooLarge)
    assert "code_run" in error.hint
