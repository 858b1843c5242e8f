"""JSON in long lines, laid out with a line for each value, so that it can be cut and quoted at lines."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],]|[^"{}\[\],\s]++', re.DOTALL)
_LINE: Final = 200
"""Characters of a line, on the average, up to which a document stays as it is."""
_DEEPEST: Final = 20
"""Levels that are told apart by blanks: a document of brackets alone would grow by its square."""
_GROWTH: Final = 4
"""Times that a document may grow; one that would is made of brackets, and stays as it is."""


def laid_out(source: str) -> str:
    """`source` with line ends and blanks of ours between its values, which stay as they are written, large numbers and
    all; unchanged where its lines
    are short already. Linear, and needs no valid JSON."""
    if source.count("\n") * _LINE >= len(source) or len(source) <= _LINE:
        return source
    out: list[str] = []
    depth, fresh = 0, True  # fresh: nothing stands behind the last bracket yet
    for found in _TOKEN.finditer(source):
        part = found[0]
        if part in "]}":
            depth = max(0, depth - 1)
            out += [part] if fresh else [_end(depth), part]
            fresh = False
            continue
        if fresh and out:
            out.append(_end(depth))
        out.append(part)
        fresh = part in "[{,"
        depth += part in "[{"
    laid = "".join(out) + "\n"
    return laid if len(laid) <= _GROWTH * len(source) else source


def _end(depth: int) -> str:
    return "\n" + " " * min(depth, _DEEPEST)
