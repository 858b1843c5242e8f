"""In the child that runs pip: an index that does not answer is noted, which pip takes for one without the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

NOT_THERE: Final = frozenset({404, 410})


def watched() -> list[str]:
    """From here on the list gets pip's own words about every page of an index that it could not get, other than that
    there is none."""
    from pip._internal.index import collector  # noqa: PLC0415 - after the audit hook of the child

    unanswered: list[str] = []
    skipped = collector._handle_get_simple_fail

    def noted(link: Any, reason: str | Exception, meth: Callable[..., None] | None = None) -> None:
        status = getattr(getattr(reason, "response", None), "status_code", 0)
        if status not in NOT_THERE:
            unanswered.append(str(reason) if status else f"{link}: {reason}")  # pip shows a link without its password
        skipped(link, reason, meth)

    collector._handle_get_simple_fail = noted
    return unanswered
