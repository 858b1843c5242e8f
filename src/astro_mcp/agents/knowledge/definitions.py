"""Where definitions begin, told by the lines alone: for languages without a grammar here, and files that break one.

A definition starts on a line that says so; comments and decorators right above belong to it. No parser runs: a
repository's text can neither crash nor stall this, broken code is cut as well as whole code, and one rule serves every
language. A line inside a string that looks like a definition only moves a cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.knowledge.segments import Mark

_WORDS: Final = (
    "async|export|default|public|private|protected|internal|static|final|abstract|override|open|sealed|data|inline"
    "|virtual|unsafe|extern|pub|pub\\(crate\\)|declare|const|suspend|partial"
)
_KEYWORDS: Final = (
    "def|class|function|func|fn|fun|interface|struct|enum|trait|impl|type|module|namespace|record|object|protocol"
    "|extension|macro_rules!|CREATE (?:TABLE|VIEW|FUNCTION|TRIGGER)|message|service"
)
_STARTS: Final = re.compile(rf"([ \t]{{0,40}})(?:(?:{_WORDS})[ \t]+){{0,5}}(?:{_KEYWORDS})\*?[ \t(]")
_BOUND: Final = re.compile(
    r"([ \t]{0,40})(?:export[ \t]+)?(?:const|let|var)[ \t]+\w{1,80}[ \t]*=[ \t]*(?:async[ \t]*)?(?:\(|function)"
)
_ABOVE: Final = ("@", "#", "//", "/*", "*", "--", ";;")
LINE: Final = 300
"""Characters of a line that are looked at: a longer line is data."""


def marks_by_lines(text: str) -> list[Mark]:
    """Every definition that a line begins, up to the next one that stands no deeper; by their starts."""
    found = _begins(text)
    ends = [len(text)] * len(found)
    open_: list[int] = []
    for place, begin in enumerate(found):
        while open_ and found[open_[-1]].indent >= begin.indent:
            ends[open_.pop()] = begin.offset
        open_.append(place)
    return [Mark(begin.offset, end, begin.title) for begin, end in zip(found, ends, strict=True)]


@dataclass(frozen=True, slots=True)
class _Begin:
    offset: int
    indent: int
    title: str


def _begins(text: str) -> list[_Begin]:
    """Every line that starts a definition, moved up over the comments and decorators right above it."""
    found = []
    offset = above = 0
    for line in text.splitlines(keepends=True):
        head = line[:LINE]
        start = _STARTS.match(head) or _BOUND.match(head)
        if start and len(line) <= LINE:
            found.append(_Begin(above, len(start[1].expandtabs(4)), " ".join(line.split()).rstrip(":{ ")[:100]))
        offset += len(line)
        if start or not head.lstrip().startswith(_ABOVE):
            above = offset
    return found
