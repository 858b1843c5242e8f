"""A place in a workspace: a root, and a path below it that has passed the path guard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """`relative` is posix and free of `.`, `..` and links; "" is the root itself. The target may be missing.

    `primary` says that `root` is the session's first, so that the relative path leads back here.
    """

    root: Path
    relative: str
    primary: bool = True

    @property
    def path(self) -> Path:
        return self.root / self.relative if self.relative else self.root

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.relative.split("/")) if self.relative else ()

    @property
    def name(self) -> str:
        return self.relative.rpartition("/")[2]

    @property
    def display(self) -> str:
        """The path as the same session can pass it back."""
        return self.shown(self.relative)

    def shown(self, relative: str) -> str:
        """`display` of another place in the same root."""
        if self.primary:
            return relative or "."
        return f"{self.root}/{relative}" if relative else str(self.root)

    def at(self, relative: str) -> Place:
        """Another place in the same root; `relative` has passed a guard, or came from a walk."""
        return Place(self.root, relative, self.primary)

    def child(self, name: str) -> Place:
        return self.at(f"{self.relative}/{name}" if self.relative else name)
