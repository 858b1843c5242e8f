"""Our own sources, taken apart once for all tests that look through them."""

from __future__ import annotations

import ast
from functools import cache


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Everything that the text holds; the module itself comes first."""
    return tuple(ast.walk(ast.parse(text)))
