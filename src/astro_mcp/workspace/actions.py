"""The smallest changes of a file tree, each with its exact inverse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from astro_mcp.workspace.place import Place

Kind = Literal["absent", "file", "folder", "link"]


@dataclass(frozen=True, slots=True)
class State:
    """What lies at a place. `value` is a file's sha256 or a link's target; `mode` 0 means the system's default."""

    kind: Kind
    value: str = ""
    mode: int = 0

    def same(self, other: State) -> bool:
        """Equal but for the mode."""
        return self.kind == other.kind and self.value == other.value

    def encode(self) -> str:
        if self.kind == "absent":
            return "absent"
        return f"link:{self.value}" if self.kind == "link" else f"{self.kind}:{self.mode:o}:{self.value}"

    @classmethod
    def decode(cls, text: str) -> State:
        kind, _, rest = text.partition(":")
        if kind == "link":
            return cls("link", rest)
        mode, _, value = rest.partition(":")
        if kind == "file":
            return cls("file", value, int(mode, 8))
        return cls("folder", "", int(mode, 8)) if kind == "folder" else ABSENT


ABSENT = State("absent")


@dataclass(frozen=True, slots=True)
class Put:
    """What lies at `place` changes from `before` to `after`."""

    place: Place
    before: State
    after: State

    def inverse(self) -> Put:
        return Put(self.place, self.after, self.before)


@dataclass(frozen=True, slots=True)
class Rename:
    """What lies at `place` goes to `to`, where nothing is; `state` is what it is, for a folder by kind alone."""

    place: Place
    to: Place
    state: State

    def inverse(self) -> Rename:
        return Rename(self.to, self.place, self.state)


Action = Put | Rename


def moves(actions: Iterable[Action]) -> tuple[tuple[str, str], ...]:
    """From where to where something went, as it is shown; of a folder with a slash."""
    return tuple(
        (f"{one.place.display}{end}", f"{one.to.display}{end}")
        for one in actions
        if isinstance(one, Rename)
        for end in ["/" if one.state.kind == "folder" else ""]
    )
