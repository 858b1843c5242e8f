"""Halves of surrogate pairs: JavaScript writes them into JSON as escapes, and no text that is UTF-8 has them."""

from __future__ import annotations

import re
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

A = TypeVar("A", bound=BaseModel)
ESCAPE: Final = re.compile(
    rb"\\(?:\\|u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2}))"
)
"""A backslash, a pair, or a half, which alone is a group."""


def parsed(model: type[A], data: bytes) -> A:
    """`data` as the model, with U+FFFD for each half. Raises `ValidationError`."""
    try:
        return model.model_validate_json(data)
    except ValidationError:
        whole = ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], data)
        if whole == data:
            raise
    return model.model_validate_json(whole)
