"""What the server publishes under `astro://`: templates with a reader and, for some, completions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from pydantic import PrivateAttr

from astro_mcp.core.authority import Label, Session
from astro_mcp.core.model import Page

Completer = Callable[[Session, str], Awaitable[list[str]]]
"""`await complete(session, prefix)`: at most 100 values for a template's last variable or a prompt's argument."""
Watch = Callable[[Session, dict[str, str]], Awaitable[AsyncIterator[None]]]
"""`await watch(session, variables)`: an iterator with a turn for each change from then on, or for several that came
together, which ends when nothing changes any more. Raises `NotFound` as the reader does."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a resource holds: text or bytes, never both. `labels` are those of what it is made of, where somebody
    knows."""

    mime: str
    text: str | None = None
    data: bytes | None = None
    labels: frozenset[Label] | None = None


class Reading(Page):
    """What a tool that reads a resource results in: its own view of it, and beside that the body as it was read, for
    the doors that hand out resources whole."""

    _body: Body = PrivateAttr(default=Body(""))

    def beside(self, body: Body) -> Self:
        self._body = body
        return self

    @property
    def body(self) -> Body:
        return self._body


@dataclass(frozen=True, slots=True)
class Resource:
    """A fixed URI or a template (`astro://runs/{run_id}`, `astro://files/{+path}`) and its reader.

    `read` raises `NotFound` alike for what is missing and for what belongs to another scope.
    """

    uri: str
    name: str
    title: str
    description: str
    mime: str
    read: Callable[[Session, dict[str, str]], Awaitable[Body]]
    complete: Completer | None = None
    watch: Watch | None = None

    @property
    def is_template(self) -> bool:
        return "{" in self.uri

    def match(self, uri: str) -> dict[str, str] | None:
        """The variables of `uri` under this template (RFC 6570, levels 1 and 2), or None."""
        found = _pattern(self.uri).fullmatch(uri)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\+?\w+\})", template)
    out = []
    for part in parts:
        if part.startswith("{+"):
            out.append(f"(?P<{part[2:-1]}>.+)")
        elif part.startswith("{"):
            out.append(f"(?P<{part[1:-1]}>[^/]+)")
        else:
            out.append(re.escape(part))
    return re.compile("".join(out))
