"""What expressions give, for a step that is computed again until it knows all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from astro_mcp.errors import AstroError, ExpressionLimit, InvalidInput

_KNOWN: Final[Mapping[str, type[AstroError]]] = {kind.code: kind for kind in (InvalidInput, ExpressionLimit)}
MOST: Final = 64
"""Expressions of one look."""


class Foresight:
    """The `evaluate` of one advance. An expression whose value is not known yet fails, so that the kernel goes on to
    the others; that advance is thrown away, and computed again once what was missing has been learned."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Any]] = {}
        self.missing: dict[str, dict[str, Any]] = {}

    def evaluate(self, source: str, data: Mapping[str, Any]) -> Any:
        """The value that was learned; raises the error that was, or where nothing was an `InvalidInput`."""
        key = hashlib.sha256(json.dumps([source, data], sort_keys=True).encode()).hexdigest()
        found = self._known.get(key)
        if found is None:
            self.missing[key] = {"source": source, "data": data}
            raise InvalidInput("the expression's value is not known yet")
        if "error" in found:
            error = found["error"]
            raise _KNOWN[error["code"]](error["message"], error["hint"], retryable=error["retryable"])
        return found["value"]

    def asked(self) -> list[dict[str, Any]]:
        """What is to be evaluated next."""
        return list(self.missing.values())[:MOST]

    def learn(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """The answers to `asked`, in its order."""
        self._known.update(zip(list(self.missing)[:MOST], answers, strict=True))
        self.missing.clear()
