"""A watch over a working tree: which of its files may have changed since the last look.

The kernel tells what happens in each folder (inotify). It does not tell of what is written through a mapping of a file
that is closed already, nor through another name of it elsewhere: who relies on a watch bounds for how long.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from astro_mcp.workspace import inotify

FOLDERS: Final = 4_096
"""That are watched; a tree with more is not."""
DEEP: Final = 64
"""Folders one in another: each holds a descriptor while what is in it is gone through."""
MUCH: Final = 4096
"""Bytes of events: a hundred, or fewer of long names."""
ATTRIBUTES: Final = ".gitattributes"
RULES: Final = (b".gitignore", b".gitattributes", b".git")
"""Names that change what is said of other files."""


@dataclass
class Watch:
    """`passed` are the folders that were left out, by their paths, each with a `/` at its end; `attributes` are the
    paths of each `.gitattributes` that was seen. `close` ends it."""

    queue: int
    passed: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    _folders: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def over(cls, tree: Path, left_out: Collection[str]) -> Watch | None:
        """All folders of the tree but those in `left_out` and in `.git`; None where that can't be, or is too much.
        Blocks: for worker threads."""
        try:
            watch = cls(inotify.open_queue())
        except OSError:
            return None
        try:
            top = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            if watch._add(top, b"", os.fstat(top).st_dev, left_out, DEEP):
                return watch
        except OSError:  # a folder went away, or the system has no more watches
            pass
        watch.close()
        return None

    @property
    def much(self) -> bool:
        """Whether so much was told that it takes a while to read."""
        return inotify.queued(self.queue) > MUCH

    def touched(self) -> set[str] | None:
        """The files of which something was told since the last look; None where that may not be all: folders came or
        went, or rules did."""
        events = inotify.drained(self.queue)
        if events is None or any(event.folder or event.name in RULES for event in events):
            return None
        folders = {event.watch: self._folders.get(event.watch) for event in events}
        if any(folder is None or folder.endswith(b".git/") for folder in folders.values()):
            return None
        return {os.fsdecode((folders[event.watch] or b"") + event.name) for event in events}

    def close(self) -> None:
        if self.queue >= 0:
            os.close(self.queue)
            self.queue = -1

    def _add(self, folder: int, path: bytes, device: int, left_out: Collection[str], deep: int) -> bool:
        """Watch an open folder, which is closed here, and then look what is in it: nothing slips between."""
        try:
            self._folders[inotify.add(self.queue, folder)] = path
            if not deep or len(self._folders) > FOLDERS or os.fstat(folder).st_dev != device:
                return False
            if not path and not inotify.tells_all(folder):
                return False
            within = [os.fsencode(entry.name) for entry in os.scandir(folder) if self._enters(entry, path, left_out)]
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            return all(
                self._add(os.open(name, flags, dir_fd=folder), path + name + b"/", device, left_out, deep - 1)
                for name in within
            )
        finally:
            os.close(folder)

    def _enters(self, entry: os.DirEntry[str], path: bytes, left_out: Collection[str]) -> bool:
        """Of a repository within the tree only what makes it one is watched."""
        if entry.name == ATTRIBUTES and not path.endswith(b".git/"):
            self.attributes.add(f"{os.fsdecode(path)}{entry.name}")
        if not entry.is_dir(follow_symlinks=False) or path.endswith(b".git/"):
            return False
        whole = f"{os.fsdecode(path)}{entry.name}/"
        if whole in left_out:
            self.passed.add(whole)
        return whole not in left_out and whole != ".git/"
