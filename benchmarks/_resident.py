"""A child: `_resident RECORD MODEL` opens a record of `_many`, embeds and is asked; prints its largest RSS in MB."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.agents.knowledge.candidates import Filter
from benchmarks import _many
from benchmarks._rankings import SCOPE, shelf

QUESTIONS: Final = 50
TEXTS: Final = 64
"""What the background task embeds at once."""


async def main(record: str, model: str) -> None:
    words = _many.Words(_many.RECORD, order=4)
    async with shelf(Path(record), Path(model)) as ours:
        while (await ours.search.find([SCOPE], words.some(1)[0], Filter(), 8)).notice:
            await anyio.sleep(0.1)
        await ours.embedder.documents([" ".join(words.some(200)) for _ in range(TEXTS)])
        for _ in range(QUESTIONS):
            await ours.search.find([SCOPE], " ".join(words.some(5)), Filter(), 8)
    print(largest())


def largest() -> int:
    """MB. `getrusage` would tell the largest of the process that began this one, too: it outlives exec."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise RuntimeError("this system does not tell the largest RSS of a process")
    return int(found[1]) // 1024


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
