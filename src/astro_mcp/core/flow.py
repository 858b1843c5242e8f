"""Rule 6: what may leave this machine once a session, or a run, holds what is private and what strangers wrote.

A page can ask the model for anything, and a model that has read files has something to give. So what leaves then is a
URL that an earlier search or fetch of the session gave, or what a person approved, or little. Nothing here waits,
reads a clock or knows a tool: `judge` says of one thing that is to leave whether it may, and `record` that it did.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from astro_mcp.core.authority import REPOSITORY, Label, Ledger
from astro_mcp.errors import AstroError, Forbidden, LimitHit

HOUR: Final = 3600.0
GIVEN: Final = 5_000
"""URLs of one session that are known as given; the oldest are forgotten, and have to be found again."""
A_RECIPIENT: Final = 60
"""Requests an hour by URLs that were given, to one origin."""
APPROVED: Final = 300
"""Requests an hour to one recipient that a person approved, and by URLs that were given to all origins together."""
ASKED: Final = 3
"""Questions that a session's person is asked for one recipient; `ASKED_IN_ALL` for all of them."""
ASKED_IN_ALL: Final = 20
_ALL: Final = ""
_PORTS: Final = {"http": 80, "https": 443}


class Sort(StrEnum):
    """What kind of thing leaves, and to whom."""

    PAGE = "page"  # a URL that is asked for, to its origin
    QUERY = "query"  # words, to providers of search
    NAME = "name"  # packages that the call names, to their registry
    LISTED = "listed"  # packages that files of the workspace name, to their registry or to a database of advisories
    STREAM = "stream"  # what a program sends, to hosts that the operator named
    DATA = "data"  # what the call holds, to an address that the operator named
    PUSH = "push"  # commits, to a git host that the operator named


@dataclass(frozen=True, slots=True)
class Bound:
    """What leaves within an hour without a person's word: so many different ones, of them so many to one recipient, of
    so many characters each, and no word of it longer than `word`."""

    number: int
    each: int
    length: int
    word: int = 0


BOUNDS: Final = {
    Sort.PAGE: Bound(10, 5, 100),
    Sort.QUERY: Bound(30, 30, 200, word=48),
    Sort.NAME: Bound(30, 30, 64),
    Sort.LISTED: Bound(5_000, 5_000, 200),
    Sort.STREAM: Bound(20, 20, 10_000_000),
    Sort.DATA: Bound(100, 100, 500_000),
    Sort.PUSH: Bound(20, 20, 2_500),
}
_EACH_TIME: Final = frozenset({Sort.STREAM, Sort.DATA, Sort.PUSH})
"""Of these a second time is not the same again."""
IN_WORDS: Final = frozenset({Sort.PAGE, Sort.QUERY, Sort.NAME})
"""What a model words as it likes. A run, which asks nobody, sends none of it past a person who can be asked."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Something that is about to leave. `texts` is what goes, and what a person is shown of it; `to` is who gets it: an
    origin, or a service by its name. `brings` are labels that it carries whatever the session has seen."""

    sort: Sort
    to: str
    texts: tuple[str, ...]
    brings: frozenset[Label] = frozenset()

    @property
    def digest(self) -> str:
        """Of what a person is shown."""
        return _digest("\0".join((self.sort, self.to, *self.texts))).hex()


class Verdict(StrEnum):
    """Why something may leave, or that a person is to be asked first."""

    FREE = "free"  # the session does not hold both
    GIVEN = "given"
    APPROVED = "approved"
    WITHIN = "within"  # bounds, and flagged
    ASK = "ask"


def page(url: str) -> Leaving:
    """A request for `url`, canonical; where that is no plain URL it is one that nobody gave."""
    known = canonical(url)
    return Leaving(Sort.PAGE, _origin(known) or url[:100], (known or url,))


def canonical(url: str) -> str:
    """Equal for URLs of which one and the same request is made: lower-case scheme and host, no default port, no
    fragment. Path and query stand as they are written. Empty for what is no http or https URL, or names a user."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return ""
    at = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    name = f"[{host}]" if ":" in host else host.rstrip(".")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{name}{at}{parts.path or '/'}{query}"


def learn(ledger: Ledger, urls: Iterable[str]) -> None:
    """A search or fetch gave these."""
    for url in urls:
        if known := canonical(url):
            key = _digest(known)
            ledger.given[key] = None
            ledger.given.move_to_end(key)
    while len(ledger.given) > GIVEN:
        ledger.given.popitem(last=False)


def judge(
    ledger: Ledger, labels: frozenset[Label], leaving: Leaving, now: float, *, strict: bool, person: bool
) -> Verdict:
    """Whether something may leave a session that has seen `labels`; it is not recorded. `person`: one can be asked.
    Raises `Forbidden`, or `LimitHit` where it may an hour later."""
    labels |= leaving.brings
    if Label.SECRET in labels:
        raise Forbidden(
            f"this session holds a secret, and nothing leaves from it: not to {leaving.to} either",
            "go on without the network, or in a new session that does not read what secrets.readable releases",
        )
    if not labels >= REPOSITORY:
        return Verdict.FREE
    if leaving.to in ledger.refused:
        raise Forbidden(f"a person refused that this session sends to {leaving.to}")
    if _given(ledger, leaving, now):
        return Verdict.GIVEN
    if leaving.to in ledger.approved:
        _within(ledger, leaving.to, now, APPROVED)
        return Verdict.APPROVED
    if person:
        return _asking(ledger, leaving)
    if strict:
        raise Forbidden(
            f"{_reason(leaving)}, and the operator's flow is strict",
            "a person approves it in a host that asks them; pages that a search or fetch of it named are free",
        )
    _fits(ledger, leaving, now)
    return Verdict.WITHIN


def record(ledger: Ledger, leaving: Leaving, verdict: Verdict, now: float) -> None:
    """It leaves now."""
    if verdict in (Verdict.GIVEN, Verdict.APPROVED):
        recipients = (leaving.to, _ALL) if verdict is Verdict.GIVEN else (leaving.to,)
        for to in recipients:
            ledger.used.setdefault(to, []).append(now)
        if len(ledger.used) > GIVEN:
            for to in [to for to, times in ledger.used.items() if times[-1] <= now - HOUR]:
                del ledger.used[to]
    elif verdict is Verdict.WITHIN and leaving.sort in _EACH_TIME:
        ledger.used.setdefault(_line(leaving), []).append(now)
    elif verdict is Verdict.WITHIN:
        sent = ledger.sent.setdefault(leaving.sort, OrderedDict())
        for key in _new(leaving, sent):
            sent[key] = (now, leaving.to)


def _given(ledger: Ledger, leaving: Leaving, now: float) -> bool:
    """Whether it is a URL that was given, within its quota."""
    if leaving.sort is not Sort.PAGE or not all(_digest(url) in ledger.given for url in leaving.texts):
        return False
    return _left(ledger, leaving.to, now, A_RECIPIENT) > 0 and _left(ledger, _ALL, now, APPROVED) > 0


def _asking(ledger: Ledger, leaving: Leaving) -> Verdict:
    known = ledger.asked.get(leaving.to, set())
    if leaving.digest not in known and (
        len(known) >= ASKED or sum(len(one) for one in ledger.asked.values()) >= ASKED_IN_ALL
    ):
        raise Forbidden(f"{_reason(leaving)}, and the person who was asked did not approve it")
    return Verdict.ASK


def _left(ledger: Ledger, to: str, now: float, most: int) -> int:
    times = ledger.used.get(to)
    if not times:
        return most
    if times[0] <= now - HOUR:
        times[:] = [at for at in times if at > now - HOUR]
    return most - len(times)


def _within(ledger: Ledger, to: str, now: float, most: int) -> None:
    if _left(ledger, to, now, most) <= 0:
        raise _later(f"{most} of these went out within an hour: {to}", ledger.used[to][0], now)


def _fits(ledger: Ledger, leaving: Leaving, now: float) -> None:
    """Raises where it goes beyond the bounds of its sort."""
    bound, sent = BOUNDS[leaving.sort], ledger.sent.get(leaving.sort, OrderedDict())
    for text in leaving.texts:
        if why := _too_much(leaving.sort, bound, text):
            raise Forbidden(f"{_reason(leaving)}, and {why}", _HINTS[leaving.sort])
    if leaving.sort in _EACH_TIME:
        _within(ledger, _line(leaving), now, bound.each)
        return
    while sent and next(iter(sent.values()))[0] <= now - HOUR:
        sent.popitem(last=False)
    new = len(_new(leaving, sent))
    there = sum(to == leaving.to for _, to in sent.values())
    if new and (len(sent) + new > bound.number or there + new > bound.each):
        oldest = next(iter(sent.values()))[0] if sent else now
        most = f"{bound.number} an hour may, {bound.each} of them to one recipient"
        raise _later(f"{_reason(leaving)}: {most}", oldest, now)


def unasked(leaving: Leaving) -> Forbidden:
    """The refusal of what a run would send where its session's person could be asked, and was not."""
    return Forbidden(
        f"{_reason(leaving)}, and a run does not ask the person who could approve it",
        f"make one such call to {leaving.to} outside of a run, where they are asked: their yes counts for runs too",
    )


def _too_much(sort: Sort, bound: Bound, text: str) -> str:
    if len(text) > bound.length:
        return f"it is longer than {bound.length} characters"
    if sort is Sort.PAGE and ("?" in text or not canonical(text)):
        return "it has a query in it"
    if bound.word and any(len(word) > bound.word for word in text.split()):
        return f"a word in it is longer than {bound.word} characters"
    return ""


def _new(leaving: Leaving, sent: OrderedDict[bytes, tuple[float, str]]) -> set[bytes]:
    """What of it did not leave before: a second time the same tells nobody anything."""
    return {_digest(f"{leaving.to}\0{text}") for text in leaving.texts} - sent.keys()


def _line(leaving: Leaving) -> str:
    """Where calls of which each counts are counted."""
    return f"{leaving.sort} {leaving.to}"


def _reason(leaving: Leaving) -> str:
    more = f" and {len(leaving.texts) - 1} more" if len(leaving.texts) > 1 else ""
    what = f"{leaving.texts[0][:120]!r}{more}" if leaving.texts else "what is sent"
    return f"this session has read private files and what strangers wrote, {_NAMES[leaving.sort].format(what)}"


_NAMES: Final = {
    Sort.PAGE: "no search or fetch of it gave {}",
    Sort.QUERY: "the query {} leaves this machine",
    Sort.NAME: "the packages {} are asked for by name",
    Sort.LISTED: "the packages {} are asked for by name",
    Sort.STREAM: "the program may send anything to {}",
    Sort.DATA: "what it says goes to {}",
    Sort.PUSH: "what the commits of {} hold goes out",
}
_HINTS: Final = {
    Sort.PAGE: "search for the page and fetch what a result names, or fetch a short address without a query",
    Sort.QUERY: "ask in fewer and plainer words",
    Sort.NAME: "name packages as their registry does",
    Sort.LISTED: "name packages as their registry does",
    Sort.STREAM: "go on without the network",
    Sort.DATA: "send less",
    Sort.PUSH: "a person pushes it",
}


def _later(reason: str, oldest: float, now: float) -> AstroError:
    wait = max(1, int(1000 * (oldest + HOUR - now)))
    hint = "wait, or have a person approve it in a host that asks them"
    return LimitHit(reason, hint, retry_after_ms=wait)  # and not `rate_limited`, with which a run waits and goes on


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
