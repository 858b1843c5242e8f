"""Code is found by the name of its language, which it seldom says itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.chunks import CODE, Chunk, Kind
from astro_mcp.agents.knowledge.languages import _NAMES, language
from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.agents.knowledge.words import terms
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.database import Database

SCOPE = Scope("local", "here")
QUESTION = "ruby retry"


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Record]:
    """The same text in five files; the third is Ruby, the fourth is called so and is no code."""
    async with Database.open(tmp_path / "astro.db") as database:
        made = Record(database, SystemClock())
        for source in ("a.py", "b.js", "c.rb", "d.rb.txt", "e"):
            kind: Kind = "code" if source[-2:] in ("py", "js", "rb") else "document"
            chunk = Chunk("retry the upload", 1, 1, source, source)
            await made.put(SCOPE, "c", [Draft(source, kind, source, source, (chunk,))])
        yield made


async def test_a_question_that_names_the_language_finds_its_files_first(record: Record) -> None:
    found = await record.find_words(SCOPE, terms(QUESTION), Filter(), 9)
    assert next(iter(found)) == 3
    assert len(found) == 5
    assert list(await record.find_words(SCOPE, ["ruby"], Filter(), 9)) == [3]


def test_languages_are_those_of_code() -> None:
    assert _NAMES.keys() <= CODE
    assert [language(source) for source in ("src/a.PY", "a.pyi", "b.tsx", "c.go", "d.c", "e.md", "Makefile", "")] == [
        *("python", "python", "typescript", "golang"),
        *("", "", "", ""),
    ]
