"""The words of Markdown, with those of its links and without their addresses."""

from __future__ import annotations

import re
from typing import Final

_LINK: Final = re.compile(
    r"!?\[((?:[^\[\]]|\[[^\[\]]*+\])*+)\]"  # brackets within brackets: Rust's slices
    r"\((?:[^()\s]|\([^()\s]*+\))*+(?:\s++\"[^\"\n]*+\")?+\)"
)


def spoken(markdown: str) -> str:
    """`markdown` with the text of each link and picture in its place. Linear."""
    return _LINK.sub(r"\1", markdown) if "](" in markdown else markdown
