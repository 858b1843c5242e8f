"""What was found is not looked for again while no file has changed: linters depend on nothing but what they read."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.lint.models import CheckInput, CheckOutput
from astro_mcp.core.authority import Label, Session
from astro_mcp.core.bearing import bears, borne

SECONDS: Final = 3_600.0
"""How long it is believed: the packages beneath a linter, and a project's, are resolved anew each day."""
MOST: Final = 32
ITEMS: Final = 50_000
"""Findings of all answers that are kept; some hundred bytes each."""
PLAIN: Final = frozenset({"paths", "tools", "min_severity"})
"""Arguments that hang on nothing but the files."""


@dataclass(frozen=True, slots=True)
class _Known:
    fingerprint: bytes
    since: float
    output: CheckOutput
    labels: frozenset[Label]


class Memory:
    """The last answers, by scope, roots and arguments. One for all sessions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()
        self._clock = clock

    def get(self, key: Hashable, fingerprint: bytes | None) -> CheckOutput | None:
        """What was found for `key` in files of `fingerprint`, where that is known; the running call bears what the one
        did that found it."""
        known = self._known.get(key)
        if known is None or known.fingerprint != fingerprint or self._clock() - known.since > SECONDS:
            return None
        self._known.move_to_end(key)
        bears(*known.labels)
        return known.output.model_copy()

    def keep(self, key: Hashable, fingerprint: bytes | None, output: CheckOutput) -> None:
        """`fingerprint` is of before any file was read: a change since then shows. What is not whole is not kept, as
        the next call may have it."""
        whole = not output.missing_tools and not output.failed_tools
        if fingerprint is not None and whole and len(output.items) <= ITEMS:
            self._known[key] = _Known(fingerprint, self._clock(), output.model_copy(), borne())
            self._known.move_to_end(key)
            while len(self._known) > MOST or self._items() > ITEMS:
                self._known.popitem(last=False)

    def _items(self) -> int:
        return sum(len(known.output.items) for known in self._known.values())


def key_of(session: Session, args: CheckInput) -> Hashable | None:
    """What an answer hangs on besides the files; None where it hangs on more, such as a commit."""
    if not args.model_fields_set <= PLAIN:
        return None
    return session.scope, session.grant.roots, tuple(args.paths), tuple(args.tools), args.min_severity
