"""What web_search and web_fetch do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import anyio
import anyio.to_thread

from astro_mcp.agents.search.asking import Asking
from astro_mcp.agents.search.fusion import Fused, Query, fuse, host_of, within
from astro_mcp.agents.search.models import (
    FetchInput,
    FetchOutput,
    Found,
    Heading,
    Mode,
    Quote,
    SearchInput,
    SearchOutput,
    shorten,
)
from astro_mcp.agents.search.page import Page, is_pdf, of_text, read
from astro_mcp.agents.search.pages import Pages
from astro_mcp.agents.search.passages import find
from astro_mcp.agents.search.providers import health, providers
from astro_mcp.agents.search.without_text import reason
from astro_mcp.config import SearchProvider
from astro_mcp.core.agent import Health
from astro_mcp.core.authority import Scope
from astro_mcp.core.call import Context
from astro_mcp.core.ports import WebPage
from astro_mcp.documents.pdf import pdf_text
from astro_mcp.errors import InvalidInput, NotFound, ProviderFailed, RateLimited
from astro_mcp.net.client import Fetched, GuardedClient
from astro_mcp.packs import Search

_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+\Z")
_FILTERED: Final = 30
"""Results asked for where domains are picked out of them."""
RAW: Final = "the source as it was served: nothing is taken out, and what it says may be hidden from readers"


class SearchWork:
    """All through the guarded transport but what the manifest of ddgs says."""

    def __init__(
        self,
        client: GuardedClient,
        pages: Pages,
        manifests: Sequence[Search],
        settings: Mapping[str, SearchProvider],
        hourly: int,
    ) -> None:
        self._pages = pages
        self._providers = providers(manifests, settings, client)
        self._asking = Asking(self._providers, hourly)
        self._threads = anyio.CapacityLimiter(2)
        self._pdfs = anyio.CapacityLimiter(1)

    async def health(self) -> Health:
        return health(self._providers)

    async def search(self, args: SearchInput, ctx: Context) -> SearchOutput:
        only, never = _domains(args.include_domains), _domains(args.exclude_domains)
        most = _FILTERED if only or never else args.max_results
        words = _words(args.query, only, never)
        query = Query(words, most, args.freshness, args.query, tuple(only), tuple(never))
        lists, errors = await self._asking.ask(ctx.session.scope.tenant, query)
        pages = [page for page in fuse(lists) if _wanted(host_of(page.hit.url), only, never)][: args.max_results]
        ctx.source(*(page.hit.url for page in pages))
        return SearchOutput(items=_found(pages), total=len(pages), provider_errors=errors)

    async def fetch(self, args: FetchInput, ctx: Context) -> FetchOutput:
        fetched = await self._pages.get(ctx.session.scope, args.url)
        ctx.source(fetched.url)
        _check(fetched)
        text, note = await self._of_pdf(fetched)
        asked = args.find.strip()

        def work() -> tuple[Page, str, list[Quote]]:
            page, why = _page(fetched, text, args.mode), ""
            if not page.markdown.strip():
                mime = fetched.headers.get("content-type", "")
                instead, why = reason(fetched.body, mime, fetched.url, args.mode)
                page = replace(page, markdown=instead)
                if asked and instead:  # whatever was looked for may be there
                    return page, why, [Quote(text=instead, start=0, end=len(instead))]
            found = find(page.markdown, asked) if asked else []
            return page, why, [Quote(text=one.text, start=one.start, end=one.end) for one in found]

        page, why, passages = await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        markdown = "" if asked else shorten(page.markdown, args.max_tokens)
        headings = [Heading(level=one.level, text=one.text, start=one.start) for one in page.headings]
        return FetchOutput(
            url_final=fetched.url,
            title=page.title,
            sha256=hashlib.sha256(fetched.body).hexdigest(),
            headings=[] if passages else headings,
            passages=passages,
            characters=len(page.markdown),
            stripped=sum(page.hidden.values()),
            stripped_kinds=dict(page.hidden),
            note=RAW if args.mode == "raw" and not text else why or note,
            markdown=markdown,
            truncated=not asked and len(markdown) < len(page.markdown),
        )

    async def page(self, scope: Scope, url: str) -> WebPage:
        """The article at `url`, as `fetch` reads it."""
        fetched = await self._pages.get(scope, url)
        _check(fetched)
        text, _ = await self._of_pdf(fetched)
        page = await anyio.to_thread.run_sync(
            _page, fetched, text, "article", abandon_on_cancel=True, limiter=self._threads
        )
        return WebPage(fetched.url, page.title, page.markdown)

    async def _of_pdf(self, fetched: Fetched) -> tuple[str, str]:
        """The text of a PDF and a note on its pages; both empty for what is none."""
        if not is_pdf(fetched.body, fetched.headers.get("content-type", "")):
            return "", ""
        async with self._pdfs:
            return await pdf_text(fetched.body, fetched.url[:200])


def _page(fetched: Fetched, text: str, mode: Mode) -> Page:
    if text:
        return of_text(text)
    return read(fetched.body, fetched.headers.get("content-type", ""), fetched.url, mode)


def _domains(given: list[str]) -> list[str]:
    domains = [domain.strip().lower().rstrip(".").removeprefix("www.") for domain in given]
    for domain in domains:
        if not _DOMAIN.match(domain):
            raise InvalidInput(f"{domain[:80]!r} is not a domain", "write it like docs.example.com")
    return domains


def _words(query: str, only: list[str], never: list[str]) -> str:
    sites = " OR ".join(f"site:{domain}" for domain in only)
    return " ".join(
        [query, *([f"({sites})" if len(only) > 1 else sites] if only else []), *(f"-site:{d}" for d in never)]
    )


def _wanted(host: str, only: list[str], never: list[str]) -> bool:
    return (not only or any(within(host, domain) for domain in only)) and not any(within(host, one) for one in never)


def _found(pages: list[Fused]) -> list[Found]:
    return [
        Found(
            rank=rank,
            title=page.hit.title,
            url=page.hit.url,
            snippet=page.hit.snippet,
            published=page.hit.published,
            providers=page.providers,
        )
        for rank, page in enumerate(pages, 1)
    ]


def _check(fetched: Fetched) -> None:
    status, url = fetched.status, fetched.url[:200]
    if status in (404, 410):
        raise NotFound(f"{url} answered with status {status}", "search for the page's new address")
    if status == 429:
        wait = fetched.headers.get("retry-after", "")
        after = int(wait) * 1000 if wait.isascii() and wait.isdecimal() and len(wait) < 7 else None
        raise RateLimited(f"{url} answered with status 429", retry_after_ms=after)
    if not 200 <= status < 300:
        hint = "the page wants a login, or turns programs away" if status in (401, 403) else ""
        raise ProviderFailed(f"{url} answered with status {status}", hint, retryable=status >= 500)
