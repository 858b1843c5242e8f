"""Many providers' results as one list: reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), k = 60."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from astro_mcp.agents.search.invisible import visible

K: Final = 60
_SPACE: Final = re.compile(r"\s")
_TRACKING: Final = frozenset({"gclid", "fbclid", "msclkid", "yclid", "mc_cid", "mc_eid", "igshid", "ref_src"})


@dataclass(frozen=True, slots=True)
class Query:
    """What a provider is asked. `freshness` is day, week, month, year or any; `words` holds the domains too, which
    `plain` does not: results are of `only` and not of `never`."""

    words: str
    most: int
    freshness: str
    plain: str
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One result as a provider gave it, at its place in the list."""

    url: str
    title: str
    snippet: str
    published: str = ""


@dataclass(slots=True)
class Fused:
    """One page, and who found it."""

    hit: Hit
    score: float = 0.0
    providers: list[str] = field(default_factory=list)


def plain(hits: Sequence[Hit]) -> list[Hit]:
    """Those with a plain web address, their texts in one line and of bounded length."""
    return [_clean(hit) for hit in hits if canonical(hit.url)]


def fuse(lists: Mapping[str, Sequence[Hit]]) -> list[Fused]:
    """Every page once, the best first; where providers tie, in the order of `lists`. What is no plain web address is
    left out."""
    pages: dict[str, Fused] = {}
    for provider, hits in lists.items():
        seen: set[str] = set()
        for hit in hits:
            key = canonical(hit.url)
            if not key or key in seen:
                continue
            seen.add(key)
            page = pages.setdefault(key, Fused(_clean(hit)))
            page.score += 1 / (K + len(seen))
            page.providers.append(provider)
    return sorted(pages.values(), key=lambda page: -page.score)


def canonical(url: str) -> str:
    """Equal for addresses of one page: without scheme, `www.`, default port, tracking, fragment and last slash. Empty
    for what is no plain http or https address, or has blanks or characters in it that nobody sees."""
    url = url.strip()
    if _SPACE.search(url) or visible(url)[0] != url:
        return ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or len(url) > 2048:
        return ""
    host = parts.hostname.removeprefix("www.").rstrip(".")
    at = "" if port in (None, 80, 443) else f":{port}"
    pairs = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
        if not name.startswith("utm_") and name not in _TRACKING
    ]
    query = urlencode(sorted(pairs), errors="surrogateescape")
    return f"{host}{at}{parts.path.rstrip('/')}{'?' if query else ''}{query}"


def host_of(url: str) -> str:
    """The host name of a canonical or plain address."""
    return (urlsplit(url).hostname or "").rstrip(".")


def within(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or a subdomain of it."""
    return host == domain or host.endswith(f".{domain}")


def _clean(hit: Hit) -> Hit:
    return Hit(hit.url.strip(), seen_line(hit.title, 300), seen_line(hit.snippet, 1000), seen_line(hit.published, 40))


def seen_line(text: str, most: int) -> str:
    """`text` of a stranger as one line of so many characters, without what nobody sees."""
    line = " ".join(visible(text)[0].split())
    return line if len(line) <= most else line[:most].rsplit(" ", 1)[0] + "…"
