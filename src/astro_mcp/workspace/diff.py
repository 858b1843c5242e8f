"""Unified diffs of decoded files, bounded in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.workspace.equal_lines import Matcher
from astro_mcp.workspace.text import decode, one_line

_MOST: Final = 20_000
"""Lines on either side, without what both begin and end with, that are compared one by one; above, the whole middle
counts as replaced."""
_CONTEXT: Final = 3


@dataclass(frozen=True, slots=True)
class Image:
    """One file before and after; None where there is none."""

    path: str
    before: bytes | None
    after: bytes | None


def diff_bytes(path: str, before: bytes | None, after: bytes | None) -> str:
    """The change of one file; None means that there is no file. What is no text is told by its size."""
    old = decode(before) if before is not None else None
    new = decode(after) if after is not None else None
    if (before is not None and old is None) or (after is not None and new is None):
        sizes = [f"{len(data):,} bytes" if data is not None else "nothing" for data in (before, after)]
        return f"Binary file {one_line(path)}: {sizes[0]} → {sizes[1]}\n"
    return diff_text(path, old.raw if old else None, new.raw if new else None)


def diff_images(images: Sequence[Image], moved: Iterable[tuple[str, str]]) -> str:
    """The change of several files; one that was moved as it is has its two names, as has a folder."""
    by_path = {image.path: image for image in images}
    told: list[str] = []
    for old, new in moved:
        gone, came = by_path.get(old), by_path.get(new)
        if (gone and (gone.before, gone.after)) == (came and (came.after, came.before)):
            told.append(f"rename from {one_line(old)}\nrename to {one_line(new)}\n")
            for path in (old, new):
                by_path.pop(path, None)
    told += [diff_bytes(image.path, image.before, image.after) for image in by_path.values()]
    return "".join(told)


def diff_text(path: str, before: str | None, after: str | None) -> str:
    """A unified diff with three lines of context; empty where nothing differs."""
    shown = one_line(path)
    names = (f"a/{shown}" if before is not None else "/dev/null", f"b/{shown}" if after is not None else "/dev/null")
    old, new = _lines(before or ""), _lines(after or "")
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    start, old_end, new_end = max(0, head - _CONTEXT), len(old) - tail, len(new) - tail
    around = min(_CONTEXT, tail)
    a, b = old[start : old_end + around], new[start : new_end + around]
    if max(old_end - head, new_end - head) > _MOST:
        hunks = [f"@@ -{start + 1},{len(a)} +{start + 1},{len(b)} @@\n"]
        hunks += [f" {line}" for line in a[: head - start]]
        hunks += [f"-{line}" for line in old[head:old_end]] + [f"+{line}" for line in new[head:new_end]]
        hunks += [f" {line}" for line in a[len(a) - around :]] if around else []
    else:
        hunks = _hunks(a, b, start)
    body = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in hunks)
    return f"--- {names[0]}\n+++ {names[1]}\n{body}" if hunks else ""


def _hunks(a: list[str], b: list[str], offset: int) -> list[str]:
    out = []
    for group in Matcher(a, b).get_grouped_opcodes(_CONTEXT):
        (_, a_start, _, b_start, _), (_, _, a_stop, _, b_stop) = group[0], group[-1]
        old, new = _span(a_start + offset, a_stop + offset), _span(b_start + offset, b_stop + offset)
        out.append(f"@@ -{old} +{new} @@\n")
        for kind, a1, a2, b1, b2 in group:
            if kind == "equal":
                out += [f" {line}" for line in a[a1:a2]]
                continue
            out += [f"-{line}" for line in a[a1:a2]] + [f"+{line}" for line in b[b1:b2]]
    return out


def _span(start: int, stop: int) -> str:
    """A range as GNU diff writes it: from 1, and from 0 where it is empty at the very start."""
    length = stop - start
    first = start + 1 if length else start
    return f"{first}" if length == 1 else f"{first},{length}"


def _common(a: list[str], b: list[str]) -> int:
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
