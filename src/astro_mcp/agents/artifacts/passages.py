"""The passages of a text that hold a word, with lines around them."""

from __future__ import annotations

from typing import Final

AROUND: Final = 2
MOST: Final = 200


def passages(text: str, find: str) -> tuple[str, int]:
    """Numbered lines of the passages that hold `find` (any case), and how many lines hold it."""
    lines = text.split("\n")
    wanted = find.casefold()
    hits = [number for number, line in enumerate(lines) if wanted in line.casefold()]
    out: list[str] = []
    last = -1
    for hit in hits[:MOST]:
        first = max(hit - AROUND, last + 1)
        if out and first > last + 1:
            out.append("…")
        end = min(hit + AROUND, len(lines) - 1)
        out += [f"{number + 1}: {lines[number]}" for number in range(first, end + 1)]
        last = max(last, end)
    if len(hits) > MOST:
        out.append(f"… and {len(hits) - MOST:,} more lines; find something rarer")
    return "\n".join(out), len(hits)
