"""PDF and HTML files and notebooks by their structure."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.agents.files.pdfs import pdf

from astro_mcp.agents.knowledge.chunks import document_chunks
from astro_mcp.agents.knowledge.markup import shown

SHED = """<!DOCTYPE html>
<html><head><title>Shed</title><style>p { color:
red }</style><script>
const secret = "<p>scripted</p>";
</script></head>
<body><h1>The <em>Shed</em></h1>
<!-- a comment
about moles -->
<p>Spades &amp; forks hang
on the <a href="https://x.example/">wall</a>.</p>
<h2>Roof</h2><p>It leaks when 2 < 3 and it rains.</p>
</body></html>
"""


def test_of_html_the_visible_text_stands_on_its_own_lines_under_its_headings() -> None:
    text, headings = shown(SHED)
    assert headings == [(6, "The Shed"), (11, "The Shed > Roof")]
    assert len(text.split("\n")) == len(SHED.split("\n"))
    assert text.split("\n")[8].strip() == "Spades & forks hang"
    assert "It leaks when 2 < 3 and it rains." in text
    for hidden in ("scripted", "moles", "color", "href"):
        assert hidden not in text
    chunk = document_chunks(SHED, "shed.html")[0]
    assert (chunk.title, chunk.end_line) == ("The Shed", 11)


def test_line_ends_that_are_said_by_their_number_move_no_line() -> None:
    text, headings = shown("<p>a&#10;b&NewLine;c&#xa;d</p>\n<h1>One&#10;two</h1>\n")
    assert headings == [(2, "One two")]
    assert [line.strip() for line in text.split("\n")] == ["a b c d", "One two", ""]


@pytest.mark.parametrize(
    "text", ["<!--" * 60_000, "<script>" * 40_000, "<a " * 80_000, "<h1>" * 60_000, "&" * 250_000, "<p\n" * 80_000]
)
def test_hostile_html_is_read_in_bounded_time(text: str) -> None:
    began = time.monotonic()
    shown(text)
    assert time.monotonic() - began < 20  # what is not linear takes minutes


PLAN = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg"><title>Beds &amp; paths</title>
<style>.wall { fill: ochre }</style>
<path d="M10 20l30 40zM7.5 8.25"/>
<g><svg:desc>Where the
hedge stands</svg:desc><text x="1">Gate <tspan dy="2">north</tspan></text></g><!-- <text>moles</text> --></svg>
"""


async def test_of_a_drawing_its_words_are_indexed_and_one_without_is_skipped(
    house: Any, tmp_path: Path, project: Path
) -> None:
    (project / "docs" / "plan.svg").write_text(PLAN)
    (project / "docs" / "leaf.svg").write_text('<svg><path d="M10 20l30 40zM7.5 8.25"/></svg>')
    async with house(tmp_path / "data", project) as desk:
        report = await desk.value("kb_index", paths=["docs"])
        (found,) = await desk.search("hedge north gate", k=1)
    assert (report.added, report.skipped) == (2, 1)
    assert found.source == "docs/plan.svg"
    assert " ".join(found.text.split()) == "Beds & paths Where the hedge stands Gate north"
    assert (found.start_line, found.end_line) == (2, 6)


@pytest.mark.parametrize(
    "matter", ["---\ndate: 1\ntitle: 'Why: Postgres'\n---", '+++\ntitle = "Why: Postgres"\ndate = 1\n+++']
)
def test_a_document_has_the_title_that_its_front_matter_names(matter: str) -> None:
    said = "We need its indexes for documents.\n" * 40
    chunks = document_chunks(f"{matter}\n\n{said}\n## Costs\n\n{said}\n# Other\n\n{said}", "adr/0001.md")
    titles = dict.fromkeys(chunk.title for chunk in chunks)
    assert list(titles)[-3:] == ["Why: Postgres", "Why: Postgres > Costs", "Other"]


@pytest.mark.parametrize("text", ["---\ntitle: no end\n", "---\ntitle: >-\n  x\n---\n", "text\n+++\ntitle = x\n+++\n"])
def test_what_is_no_front_matter_names_nothing(text: str) -> None:
    assert document_chunks(text, "x.md")[0].title == "x.md"


NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Churn\n", 'Who left, and "why".']},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {"tags": ["hidden"]},
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["rate 4 percent\n"]},
                {"data": {"image/png": "iVBORw0KGgo" * 500, "text/plain": ["<Figure>"]}, "metadata": {}},
            ],
            "source": ["# no heading\n", "plot(churn)"],
        },
    ],
    "metadata": {"kernelspec": {"name": "python3"}},
}


@pytest.mark.parametrize("indent", [1, None])
def test_of_a_notebook_the_cells_and_what_they_print_stand_on_their_lines(indent: int | None) -> None:
    source = json.dumps(NOTEBOOK, indent=indent)
    chunks = document_chunks(source, "churn.ipynb")
    text = "\n".join(chunk.text for chunk in chunks)
    assert {chunk.title for chunk in chunks} == {"Churn"}
    for told in ('Who left, and "why".', "rate 4 percent", "# no heading", "plot(churn)"):
        assert told in text
        place = next(n for n, line in enumerate(source.split("\n"), 1) if told.replace('"', '\\"') in line)
        assert any(chunk.start_line <= place <= chunk.end_line for chunk in chunks)
    assert "iVBOR" not in text
    assert "stdout" not in text


@pytest.mark.parametrize(
    "text", ['"' * 500_001, '"\\' * 200_000, '"source":' * 50_000, '{"source": ["\\ud800\\n"]}', "[" * 500]
)
def test_what_is_no_notebook_is_read_in_bounded_time(text: str) -> None:
    began = time.monotonic()
    document_chunks(text, "a.ipynb")
    assert time.monotonic() - began < 5  # what is not linear takes minutes


async def test_a_pdf_is_indexed_page_by_page_and_a_broken_one_told(house: Any, tmp_path: Path, project: Path) -> None:
    (project / "manual.pdf").write_bytes(pdf(["The winch lifts two tons.", "Grease the spindle in spring."]))
    (project / "torn.pdf").write_bytes(b"%PDF-1.7\n" + os.urandom(2000))
    async with house(tmp_path / "data", project) as desk:
        first = await desk.value("kb_index")
        hit = (await desk.search("grease spindle", k=1))[0]
        second = await desk.value("kb_index")
        (project / "manual.pdf").unlink()
        third = await desk.value("kb_index")
        assert all(item.source != "manual.pdf" for item in await desk.search("spindle"))
    assert (hit.source, first.added) == ("manual.pdf", 5)
    assert "[page 2]" in hit.text
    assert [failure.source for failure in first.failed] == [".env", "torn.pdf"]
    assert (second.unchanged, third.removed) == (5, 1)
