"""One tree of errors, one table of codes."""

from __future__ import annotations

import pytest

from astro_mcp import errors
from astro_mcp.errors import CODES, AstroError, Problem


def every_error() -> list[type[AstroError]]:
    found, line = [AstroError], [AstroError]
    while line:
        children = line.pop().__subclasses__()
        found += children
        line += children
    return [cls for cls in found if cls.__module__ == errors.__name__]


def test_every_code_has_an_error_and_every_error_a_code() -> None:
    assert {cls.code for cls in every_error()} == set(CODES)


def test_every_error_stands_in_the_drawn_tree_and_has_a_default_message() -> None:
    for cls in every_error():
        assert cls.__name__ in (errors.__doc__ or "")
        assert cls().message.endswith(".")


@pytest.mark.parametrize("code", CODES)
def test_every_code_reads_at_every_door(code: str) -> None:
    row = CODES[code]
    assert 400 <= row.http <= 599
    assert row.jsonrpc < -32000
    assert row.exit in (1, 2, 3, 130)


def test_the_json_form_and_the_text_carry_the_same() -> None:
    error = AstroError("broken", "mend it", retry_after_ms=5, problems=(Problem("a.b", "wrong", "right"),))
    body = error.as_dict()
    assert body == {
        "code": "internal",
        "message": "broken",
        "hint": "mend it",
        "retryable": False,
        "retry_after_ms": 5,
        "problems": [{"path": "a.b", "reason": "wrong", "suggestion": "right"}],
    }
    for word in ("internal", "broken", "mend it", "a.b", "wrong", "right"):
        assert word in error.text()
