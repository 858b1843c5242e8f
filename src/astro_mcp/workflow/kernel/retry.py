"""When an attempt that failed is followed by another one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.workflow.document.model import Retry

FINAL: Final = frozenset(
    {
        *("invalid_input", "too_large", "ambiguous", "unsupported", "expression_limit"),
        *("rejected", "cancelled", "lost", "forbidden", "unauthorized"),
        *("no_root", "path_denied", "protected_path", "approval_required"),
    }
)
"""Codes that the same call would meet again."""
REFUSED: Final = frozenset({"busy", "rate_limited"})
"""Codes of calls that never began: they are put in line again and count as no attempt."""
MOST_REFUSALS: Final = 1_000


def pause(retry: Retry, run_id: str, path: str, attempt: int, error: Mapping[str, Any]) -> float:
    """Seconds before the attempt after `attempt`: exponential, half of it jittered ("equal jitter", AWS Architecture
    Blog, 2015), where the jitter is a hash, so that the same run gives the same times."""
    longest = min(retry.max_interval, retry.initial_interval * retry.backoff ** (attempt - 1))
    digest = hashlib.sha256(f"{run_id}/{path}/{attempt}".encode()).digest()
    jittered = longest / 2 + longest / 2 * int.from_bytes(digest[:4], "big") / 2**32
    return max(jittered, float(error.get("retry_after_ms") or 0) / 1000)
