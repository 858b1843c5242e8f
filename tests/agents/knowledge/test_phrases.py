"""Versions, and messages that are pasted whole, are found where they stand as they were asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from astro_mcp.agents.knowledge.words import phrases

VERSIONS = ("1.0.5", "5.1.0", "0.5.1", "5.0.10", "1.5.0", "5.0.1", "10.5.0")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("what changed in 5.0.1?", ["5.0.1"]),
        ("v5.0.1.", ["5.0.1"]),
        ("python 3.12 or x1.2.3 or 1.2.3rc1", []),
        ("RuntimeError: No response returned.", ["No response returned"]),
        ("call last:\n  x = 1\nError: the 'it' isn't there", ["isn t there"]),
        ("where do we retry failed uploads?", []),
        ("it doesn't alter the original list", []),
        ("x: " + "word " * 100, []),
    ],
)
def test_what_must_stand_as_it_is_asked_for(query: str, found: list[str]) -> None:
    assert phrases(query) == found


async def test_a_version_and_a_pasted_message_are_found_where_they_stand(
    house: Any, tmp_path: Path, project: Path
) -> None:
    for number, version in enumerate(VERSIONS):
        (project / "docs" / f"news{number}.txt").write_text(f"Release {version}\n\n{NEWS}\n")
    (project / "src" / "base.py").write_text(BASE)
    for number in range(6):
        (project / "src" / f"wrong{number}.py").write_text(WRONG.replace("WHICH", str(number)))
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        version = await desk.search("5.0.1")
        message = await desk.search("RuntimeError: No response returned.")
    assert version[0].source == "docs/news5.txt"
    assert message[0].source == "src/base.py"


BASE = '''async def receive_or_end(stream, request, task, group):
    """Waits until the application has begun, for at most as long as the client that asked stays there."""
    try:
        message = await stream.receive()
    except EndOfStream:
        if task.exception is not None:
            raise task.exception
        if await request.is_disconnected():
            return
        raise RuntimeError("No response returned.")
    return message
'''
WRONG = '''def shelve_WHICH(shelf, item):
    """Returned books go back to shelf WHICH: no RuntimeError for a late response, no fine for a returned loan."""
    shelf.append(item.returned)
'''
NEWS = "Of its 5 parts 0 are new, and 1 is as it was."
