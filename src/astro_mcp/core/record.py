"""Values that nobody changes, and that are made often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

C = TypeVar("C")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(*, kw_only: bool = False) -> Callable[[type[C]], type[C]]:
    """A dataclass with slots, equal and hashed by its fields, that is frozen for the type checker alone. A guard at run
    time makes each cost three times as much, and a step of a workflow makes a dozen."""

    def made(cls: type[C]) -> type[C]:
        return dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)(cls)

    return made
