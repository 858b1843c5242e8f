"""What lies at some places, walked once for who needs it twice: to tell whether it is what it was, and to copy it.
Blocks: for worker threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from astro_mcp.workspace.place import Place
from astro_mcp.workspace.walk import Collapsed, Entry, walk


class Survey:
    """Of one moment: what changes after it was asked for does not show. `spares` as `walk` takes it."""

    def __init__(self, spares: Callable[[str], bool] | None = None) -> None:
        self._spares = spares
        self._below: dict[Place, Sequence[Entry | Collapsed]] = {}

    def below(self, folder: Place) -> Sequence[Entry | Collapsed]:
        """All that `walk` gives of `folder`; raises what that does."""
        found = self._below.get(folder)
        if found is None:
            found = self._below[folder] = list(walk(folder, spares=self._spares))
        return found

    def hidden(self) -> frozenset[str]:
        """Paths of what was given by now though it is ignored."""
        every = chain.from_iterable(self._below.values()) if self._spares else ()
        return frozenset(entry.path for entry in every if isinstance(entry, Entry) and entry.hidden)
