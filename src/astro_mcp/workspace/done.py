"""What a call has done to files, told again: it is made a second time, and does nothing twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from astro_mcp.workspace.actions import ABSENT, Action, Put, Rename, State, moves
from astro_mcp.workspace.diff import Image
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.planning import ChangedFile


@dataclass(frozen=True, slots=True)
class Done:
    """The change set `undo_id`. `contents` are the bytes of what it replaced or brought back, by sha256."""

    undo_id: str
    actions: Sequence[Action]
    contents: Mapping[str, bytes]

    @property
    def before(self) -> dict[Place, bytes]:
        """The files that it wrote or removed, as they were."""
        files = [action for action in self.actions if isinstance(action, Put) and action.before.kind == "file"]
        return {action.place: self.contents[action.before.value] for action in files}

    @property
    def files(self) -> tuple[ChangedFile, ...]:
        """Each file that it changed, as it left it."""
        return tuple(
            ChangedFile(place.display, last.value if last.kind == "file" else None)
            for place, (first, last) in self._places().items()
            if "folder" not in (first.kind, last.kind)
        )

    @property
    def images(self) -> tuple[Image, ...]:
        """Each file before and after it, but for those whose bytes are kept nowhere: a file that was moved."""
        return tuple(
            Image(place.display, self.contents.get(first.value), self.contents.get(last.value))
            for place, (first, last) in self._places().items()
            if all(state.kind != "file" or state.value in self.contents for state in (first, last))
            if "folder" not in (first.kind, last.kind)
        )

    @property
    def moved(self) -> tuple[tuple[str, str], ...]:
        """From where to where a file or folder went."""
        return moves(self.actions)

    def _places(self) -> dict[Place, tuple[State, State]]:
        """What lay at each place first, and what does at last."""
        first: dict[Place, State] = {}
        last: dict[Place, State] = {}
        for action in self.actions:
            first.setdefault(action.place, action.before if isinstance(action, Put) else action.state)
            if isinstance(action, Rename):
                first.setdefault(action.to, ABSENT)
                last[action.to], last[action.place] = last.get(action.place, action.state), ABSENT
            else:
                last[action.place] = action.after
        return {place: (state, last[place]) for place, state in first.items()}
