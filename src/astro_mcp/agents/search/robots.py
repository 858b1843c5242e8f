"""What a site asks of programs: its robots.txt (RFC 9309), fetched through the guarded transport and kept a while."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from astro_mcp.agents.search.charset import decoded
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import Clock
from astro_mcp.errors import Forbidden, TooLarge, Unsupported
from astro_mcp.net.client import HOPS, GuardedClient, TooManyRedirects
from astro_mcp.net.urls import Target

if TYPE_CHECKING:
    from protego import Protego

BYTES: Final = 512 * 1024
"""Of one robots.txt; 500 KiB are the least that a crawler has to read (RFC 9309, 2.5)."""
LINES: Final = 20_000
KEPT: Final = 86_400.0
"""Seconds; no longer than a day (2.4)."""
AGAIN: Final = 300.0
"""Seconds until a robots.txt that could not be had is asked for again."""
SITES: Final = 500
HELD: Final = 8_000_000
"""What the rules of all sites may weigh together; parsed they take some ten times as many bytes."""
_LINE: Final = 100
"""What a line weighs beside its characters."""
_HINT: Final = (
    'ask a person, or look for the text elsewhere; web.robots = "ignore" in config.toml is the operator\'s word'
)
_TOKEN: Final = re.compile(r"[A-Za-z_-]+")
_AGENT: Final = re.compile(r"\s*user[- ]?agent\s*[\s:]\s*([^\s#]*).*", re.IGNORECASE)
_ANOTHER: Final = "User-agent: another"


@dataclass(frozen=True, slots=True)
class _Rules:
    """`closed` is why nothing may be fetched; without `parsed` and it, everything may."""

    until: float
    parsed: Protego | None = None
    closed: str = ""
    weight: int = 0


class Robots:
    """Asks each origin once a day and scope. `agent` is the User-Agent, whose first word sites name in their rules."""

    def __init__(self, client: GuardedClient, clock: Clock, agent: str) -> None:
        token = _TOKEN.match(agent)
        self._name = token[0].lower() if token else "astro-mcp"
        self._client = client
        self._clock = clock
        self._threads = anyio.CapacityLimiter(2)
        self._known: OrderedDict[tuple[Scope, tuple[str, str, int]], _Rules] = OrderedDict()

    async def check(self, scope: Scope, page: Target) -> None:
        """Raises `Forbidden` where the site asks programs to leave `page` alone, or its rules can't be had now."""
        rules = await self._rules(scope, page)
        if rules.closed:
            raise Forbidden(f"{page.host} is left alone: {rules.closed}", _HINT)
        if rules.parsed is None:
            return
        may = rules.parsed.can_fetch  # in a thread: thousands of patterns take a while
        if not await anyio.to_thread.run_sync(may, page.url, self._name, limiter=self._threads):
            raise Forbidden(f"the robots.txt of {page.host} asks programs to leave this page alone", _HINT)

    async def _rules(self, scope: Scope, page: Target) -> _Rules:
        key = (scope, page.origin)
        known = self._known.get(key)
        if known is None or known.until <= self._clock.now():
            known = self._known[key] = await self._asked(page)
        self._known.move_to_end(key)
        weight = sum(rules.weight for rules in self._known.values())
        while len(self._known) > SITES or weight > HELD:
            weight -= self._known.popitem(last=False)[1].weight
        return known

    async def _asked(self, page: Target) -> _Rules:
        """By section 2.3.1: what is not there forbids nothing, what fails forbids everything for now. An address that
        is refused, or a host that can't be reached, is the page's own error."""
        host = f"[{page.host}]" if ":" in page.host else page.host
        later = self._clock.now() + AGAIN
        try:
            answer = await self._client.get(f"{page.scheme}://{host}:{page.port}/robots.txt", max_bytes=BYTES)
        except TooLarge:
            return _Rules(later, closed="its robots.txt is too large to be read")
        except Unsupported:
            return _Rules(later, closed="its robots.txt is packed in a way that was not asked for")
        except TooManyRedirects:
            return _Rules(later, closed=f"its robots.txt redirects more than {HOPS} times")
        if answer.status >= 500:
            return _Rules(later, closed=f"its robots.txt answered with status {answer.status} (RFC 9309, 2.3.1.4)")
        until = self._clock.now() + KEPT
        if not 200 <= answer.status < 300:
            return _Rules(until)
        text = decoded(answer.body, "charset=utf-8")
        parsed, weight = await anyio.to_thread.run_sync(_parsed, text, self._name, limiter=self._threads)
        return _Rules(until, parsed, weight=weight)


def _parsed(text: str, name: str) -> tuple[Protego, int]:
    """The rules for everybody and for `name`, and their weight. Groups for others are one group: each agent of a group
    has all of its rules, and thousands of both would be millions."""
    from protego import Protego  # noqa: PLC0415 - loaded at the first fetch, and not at the daemon's start

    lines = []
    for line in text.splitlines()[:LINES]:
        agent = _AGENT.fullmatch(line)
        ours = agent is None or agent[1] == "*" or agent[1].lower() == name
        lines.append(line if ours else _ANOTHER)
    return Protego.parse("\n".join(lines)), sum(map(len, lines)) + _LINE * len(lines)
