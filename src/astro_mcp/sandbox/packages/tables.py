"""What of a parsed document has the type that it should have; the rest counts as not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name


def table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def keyed(values: Mapping[str, Any]) -> dict[str, Any]:
    """By canonical name."""
    return {canonicalize_name(name): value for name, value in values.items()}


def strings(value: object) -> Iterator[str]:
    return (item for item in (value if isinstance(value, list) else []) if isinstance(item, str))
