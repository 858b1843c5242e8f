"""Status and bytes of single files, by their descriptors. Blocks: for worker threads."""

from __future__ import annotations

import os

from astro_mcp.errors import TooLarge
from astro_mcp.workspace.beneath import open_file, open_parent, translate
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import one_line


def status_of(place: Place) -> os.stat_result:
    """The status of what lies at `place`, of a link itself. Raises `NotFound`, `PathDenied`."""
    with open_parent(place) as (folder, name):
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            raise translate(error, place.display) from None


def read_file(place: Place, limit: int) -> tuple[bytes, os.stat_result]:
    """Bytes and status of a regular file. Raises `NotFound`, `PathDenied`, `TooLarge` over `limit` bytes."""
    with open_parent(place) as (folder, name):
        return read_in(folder, name, place.display, limit)


def read_in(folder: int, name: str, shown: str, limit: int) -> tuple[bytes, os.stat_result]:
    """`read_file` for the file `name` in an open folder."""
    descriptor, status = open_file(folder, name, shown)
    try:
        if status.st_size > limit:
            raise TooLarge(
                f"{one_line(shown)} has {status.st_size:,} bytes; {limit:,} are allowed here",
                "code_run can take a part of it, by its path",
            )
        data = read_all(descriptor, status.st_size, limit)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise TooLarge(f"{one_line(shown)} grew over {limit:,} bytes while it was read")
    return data, status


def read_head(place: Place, most: int) -> bytes:
    """The first bytes of a regular file, however long it is. Raises `NotFound`, `PathDenied`."""
    with open_parent(place) as (folder, name):
        descriptor, _ = open_file(folder, name, place.display)
        try:
            return os.read(descriptor, most)
        finally:
            os.close(descriptor)


def read_all(descriptor: int, size: int, limit: int) -> bytes:
    """At most `limit` + 1 bytes; for a file that does not change in two reads."""
    data = os.read(descriptor, min(size, limit) + 1)
    chunks = [data]
    left = limit + 1 - len(data)
    while left > 0 and (chunk := os.read(descriptor, min(left, 1 << 20))):
        chunks.append(chunk)
        left -= len(chunk)
    return data if len(chunks) == 1 else b"".join(chunks)
