"""Characters that a reader does not see, taken out of text for a model."""

from __future__ import annotations

import re
from typing import Final

# Joiners and the emoji selector stay, since scripts and emoji need them, but only one at a time: longer runs carry
# smuggled bytes. Tag characters spell whole sentences that nothing shows.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<=[\u200c\u200d\ufe0f])[\u200c\ufe0f]"
)
_LINES: Final = re.compile("\r\n?|[\u2028\u2029]")


def visible(text: str) -> tuple[str, int]:
    """`text` with plain line ends and without what nobody sees, and how many characters went."""
    return _UNSEEN.subn("", _LINES.sub("\n", text))
