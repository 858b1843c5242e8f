"""What leaves by a search or a fetch, and what their results let a session fetch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from astro_mcp.agents.search.models import FetchInput, FetchOutput, SearchInput, SearchOutput
from astro_mcp.core.flow import Leaving, Sort, page
from astro_mcp.net.urls import target

READ: Final = 200_000
"""Characters of a page in which links are looked for."""
LINKS: Final = 1_000
_LINK: Final = re.compile(
    r"\]\(<?(https?://(?:[^\s<>)\]]|\](?!\()){1,2048}+)>?(?:\s+\"[^\"]{0,500}\")?\)|"
    r"(?<!\()<(https?://[^\s<>]{1,2048}+)>"  # a link whose text is its address
)


def query(args: SearchInput) -> Iterable[Leaving]:
    """The words, and the domains, which providers are told of as well."""
    words = " ".join([args.query, *args.include_domains, *args.exclude_domains])
    return (Leaving(Sort.QUERY, "web search", (words,)),)


def address(args: FetchInput) -> Iterable[Leaving]:
    """The request for the page. Where it leads from there its server says, and no caller. Raises `InvalidInput`
    for what is no address: of that nothing is asked."""
    target(args.url)
    return (page(args.url),)


def found(result: SearchOutput) -> Iterable[str]:
    """Where the results are."""
    return [item.url for item in result.items]


def linked(result: FetchOutput) -> Iterator[str]:
    """Where the page is, and where the links lead that its reader is shown."""
    yield result.url_final
    shown = [result.markdown, *(passage.text for passage in result.passages)]
    links = (link[1] or link[2] for text in shown for link in _LINK.finditer(text, 0, READ))
    for _, url in zip(range(LINKS), links, strict=False):
        yield url
