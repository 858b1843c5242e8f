"""What goes between the daemon and the child: frames of a head of fixed length, and bytes."""

from __future__ import annotations

from struct import Struct
from typing import Final

ASKED: Final = Struct(">BI")
"""The number of a grammar, and how many bytes of UTF-8 follow."""
ANSWERED: Final = Struct(">BI")
"""Whether there is an outline, and how many marks follow."""
MARK: Final = Struct(">III")
"""Characters: where a definition starts, where it ends, and where its name stands."""
MOST_MARKS: Final = 20_000
"""Of one file; what comes after them belongs to no definition."""
