"""The names of files on their way: written whole beside the one that they replace, for a moment or until a crash."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"\.undo_[0-9a-f]{32}\.tmp")


def temporary(token: str) -> str:
    """The name for the change set `token`."""
    return f".{token}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a change set gave the name: nobody is shown such a file."""
    return _NAME.fullmatch(name) is not None
