"""What lies at some places, walked once for who needs it twice: to tell whether it is what it was, and to copy it.
Blocks: for worker threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from astro_mcp.workspace.place import Place
from astro_mcp.workspace.walk import Collapsed, Entry, walk


class Survey:
    """Of one moment: what changes after it was asked for does not show. `spares` as `walk` takes it."""

    def __init__(self, spares: Callable[[str], bool] | None = None) -> None:
        self._spares = spares
        self._below: dict[Place, Sequence[Entry | Collapsed]] = {}
        self.hidden: set[str] = set()
        """Paths of what was given by now though it is ignored."""

    def below(self, folder: Place) -> Sequence[Entry | Collapsed]:
        """All that `walk` gives of `folder`; raises what that does."""
        found = self._below.get(folder)
        if found is None:
            found = self._below[folder] = list(walk(folder, spares=self._spares))
            if self._spares is not None:
                self.hidden.update(entry.path for entry in found if isinstance(entry, Entry) and entry.hidden)
        return found
