"""How text becomes chunks."""

from __future__ import annotations

import time

import pytest

from astro_mcp.agents.knowledge.chunks import document_chunks
from astro_mcp.agents.knowledge.passages import CHARACTERS, OVERLAP
from astro_mcp.agents.knowledge.words import any_of, split_identifiers, terms

LONG_CLASS = (
    "import os\n\n\n# Above it.\n@decorated\nclass Big:\n"
    + "".join(
        f"    def method_{number}(self):\n        '''{'word ' * 60}'''\n        return {number}\n\n"
        for number in range(8)
    )
    + "\ndef after():\n    return 'x' * 300 + '"
    + "y" * 250
    + "'\n"
)


def test_code_is_cut_at_definitions_and_a_long_one_at_those_within() -> None:
    chunks = document_chunks(LONG_CLASS, "big.py")
    titles = [chunk.title for chunk in chunks]
    assert "class Big > def method_3(self)" in titles
    assert titles[-1] == "def after()"
    assert chunks[0].text.startswith("import os")


def test_every_line_of_a_file_is_in_a_chunk() -> None:
    for source, text in (("big.py", LONG_CLASS), ("a.md", "# A\n\npara\n\n## B\n\n" + "text here. " * 400)):
        covered = {n for c in document_chunks(text, source) for n in range(c.start_line, c.end_line + 1)}
        filled = {n for n, line in enumerate(text.split("\n"), 1) if line.strip()}
        assert filled <= covered


def test_no_chunk_is_longer_than_its_bound() -> None:
    for source, text in (("a.py", "x" * 50_000), ("a.md", "y" * 50_000), ("b.py", LONG_CLASS), ("c.txt", "w " * 9000)):
        assert max(len(chunk.text) for chunk in document_chunks(text, source)) <= CHARACTERS + OVERLAP


def test_a_document_is_titled_by_its_headings() -> None:
    text = "# One\n\n" + "a. " * 400 + "\n\n## Two\n\n```\n# no heading\n```\n\n" + "b. " * 400
    titles = [chunk.title for chunk in document_chunks(text, "doc.md")]
    assert titles[0] == "One"
    assert titles[-1] == "One > Two"


WORDS = "It was mended, so that it holds. " * 40


@pytest.mark.parametrize(
    ("source", "text", "titles"),
    [
        (
            "History.md",
            f"# Unreleased\n\n{WORDS}\n\n5.0.1 / 2024\n====\n\n{WORDS}\n\nFixed\n-----\n{WORDS}",
            ["Unreleased", "5.0.1 / 2024", "5.0.1 / 2024 > Fixed"],
        ),
        ("a.md", f"---\nname: x\n---\n\n{WORDS}\n\ntwo\nlines\n---\n\n- item\n---\n\n```\n\nx\n===\n```", ["a.md"]),
        (
            "CHANGES.rst",
            f"=====\nNews\n=====\n\nOf 2.0\n------\n\n{WORDS}\n\nFixed\n~~~~~\n{WORDS}\n\nOf 1.0\n------\n{WORDS}",
            ["News", "News > Of 2.0", "News > Of 2.0 > Fixed", "News > Of 1.0"],
        ),
        ("a.rst", f"{WORDS}\n\n== ===\na  b\n== ===\n\n::\n\n    x\n    =====\n\nof two\nlines\n======\n", ["a.rst"]),
    ],
)  # fmt: skip
def test_an_underlined_line_is_a_heading(source: str, text: str, titles: list[str]) -> None:
    chunks = document_chunks(text, source)
    assert list(dict.fromkeys(chunk.title for chunk in chunks)) == titles


@pytest.mark.parametrize(
    ("source", "context"),
    [
        ("12.py", ""),
        ("2026-11/12.txt", ""),
        ("7", ""),
        ("part/12.py", "part/12.py"),
        ("日本.txt", "日本.txt"),
        ("Makefile", "Makefile"),
        (".env2", ".env2"),
    ],
)
def test_a_name_is_embedded_with_the_text_where_it_has_a_letter(source: str, context: str) -> None:
    chunk = document_chunks("x = 1\n", source)[0]
    assert (chunk.title, chunk.context) == (source, context)


def test_a_heading_is_embedded_with_the_text_whatever_it_is() -> None:
    assert [chunk.context for chunk in document_chunks("# 3.1\n\ntext\n", "7.md")] == ["3.1"]


@pytest.mark.parametrize(
    "text",
    [
        "x" * 250_000,
        "def f(\n" * 35_000,
        "(" * 125_000,
        " " * 250_000 + "x",
        "\n" * 250_000 + "x",
        "\u2028" * 75_000,
    ],
)
@pytest.mark.parametrize("source", ["a.py", "a.md"])
def test_hostile_text_is_cut_in_bounded_time(text: str, source: str) -> None:
    began = time.monotonic()
    document_chunks(text, source)
    assert time.monotonic() - began < 20  # what is not linear takes minutes


def test_identifiers_count_whole_and_in_parts() -> None:
    assert split_identifiers("parseHTTPConfig plain snake_case_2") == "parse http config snake case 2"
    assert split_identifiers("备份 数据库备份v2 " + "上传失败" * 30) == "数据 据库 库备 备份 v 2 上传 传失 失败 败上"
    assert any_of(terms("where is parseConfig")) == '"parseconfig" OR "parse" OR "config"'
    assert any_of(terms('what "is" it')) == '"what" OR "is" OR "it"'
    assert any_of(terms("?!")) == ""
