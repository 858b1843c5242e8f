"""Whether an index folder that nobody closed holds what the record says: a child process reads it back."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.agents.knowledge.backlog import Holding
from astro_mcp.documents import child

log = logging.getLogger(__name__)

SECONDS: Final = 20.0
SECONDS_PER_VECTOR: Final = 0.002
"""Ten times what reading one back takes on a machine with nothing else to do, and not yet what making it anew takes
where it is as slow as that."""
ANSWER_PER_VECTOR: Final = 200
ANSWER_BYTES: Final = 1_000_000
NOTHING: Final = Holding()
CHILD: Final = "astro_mcp.agents.knowledge.index_child"


async def same(folder: Path, vectors: int, holdings: Mapping[str, Holding]) -> bool:
    """Whether the folder's collections hold what `holdings` says by name; false too for what breaks, or takes too long
    or too much."""
    seconds = SECONDS + SECONDS_PER_VECTOR * vectors
    arguments = [str(os.getpid()), str(folder), str(vectors), str(int(seconds))]
    most = ANSWER_BYTES + ANSWER_PER_VECTOR * vectors
    try:
        answer, status = await child.run([sys.executable, "-I", "-m", CHILD, *arguments], seconds, most)
    except (TimeoutError, child.TooMuch) as broken:
        why = "too slow" if isinstance(broken, TimeoutError) else "too much"
        log.warning("an index that was not closed can't be read: %s", why)
        return False
    if status != 0:
        log.warning("an index that was not closed can't be read: %s", status)
        return False
    return await anyio.to_thread.run_sync(_fit, answer, holdings)


def _fit(answer: bytes, holdings: Mapping[str, Holding]) -> bool:
    try:
        *pages, last = [json.loads(line) for line in answer.splitlines()]
        if last != {"all": True}:
            return False
        held: dict[str, dict[int, str]] = {name: {} for name in holdings}
        for page in pages:
            held.setdefault(page["name"], {}).update({int(key): digest for key, digest in page["held"].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return all(holdings.get(name, NOTHING).fits(chunks) for name, chunks in held.items())
