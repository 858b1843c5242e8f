"""Which URL a remote has: as the repository's own config says, read as data (see `configuration`), or as was given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from astro_mcp.errors import Conflict, InvalidInput, NotFound
from astro_mcp.net.urls import Target
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.layout import Layout
from astro_mcp.workspace.git.refs import valid_ref
from astro_mcp.workspace.git.remote.hosts import Hosts

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True, slots=True)
class Remote:
    """`here` passed the operator's list; `name` stands in `refs/remotes/NAME/…`."""

    name: str
    here: Target

    def tracking(self, branch: str) -> str:
        return f"refs/remotes/{self.name}/{branch}"


def remote_of(layout: Layout, hosts: Hosts, name: str, url: str | None, *, push: bool = False) -> Remote:
    """The remote `name`, at `url` where the repository names none of that name; `push` takes its pushurl.

    Raises `InvalidInput`, `NotFound`, `Conflict` where both are there and differ, and what `Hosts.allowed` does.
    """
    if not _NAME.fullmatch(name) or not valid_ref(f"refs/remotes/{name}/x"):
        raise InvalidInput(f"{printable(name, 80)!r} can't be a remote's name", "letters, digits and ._- as in origin")
    known = layout.config.get(("remote", name, "url"), "")
    known = (layout.config.get(("remote", name, "pushurl"), "") if push else "") or known
    if not known and url is None:
        there = sorted({sub for section, sub, key in layout.config if section == "remote" and key == "url"})
        hint = f"there are: {printable(', '.join(there), 200)}" if there else "give its url"
        raise NotFound(f"the repository names no remote {name}", hint)
    here = hosts.allowed(known or url or "")
    if known and url is not None and hosts.allowed(url) != here:
        raise Conflict(
            f"{name} is {printable(here.url, 200)} in this repository", "leave url out, or name another remote"
        )
    return Remote(name, here)
