"""Who searches: the pack's manifests with the operator's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from astro_mcp.agents.search.asking import ADD_ONE, Provider
from astro_mcp.agents.search.declared import Declared
from astro_mcp.agents.search.metasearch import Metasearch
from astro_mcp.agents.search.searxng import SearXNG
from astro_mcp.config import SearchProvider
from astro_mcp.core.agent import Health
from astro_mcp.net.client import GuardedClient
from astro_mcp.packs import Search


def providers(
    manifests: Sequence[Search], settings: Mapping[str, SearchProvider], client: GuardedClient
) -> dict[str, Provider]:
    """Those that are enabled and have an address, and the key that they need."""
    out: dict[str, Provider] = {}
    for manifest in manifests:
        own = settings.get(manifest.name, SearchProvider())
        base_url = own.base_url or manifest.base_url
        if own.enabled and manifest.driver == "ddgs":
            out[manifest.name] = Metasearch(manifest.engines)
        elif own.enabled and manifest.driver == "json":
            if own.key:
                out[manifest.name] = Declared(manifest, own, client)
        elif own.enabled and base_url:
            out[manifest.name] = SearXNG(base_url, own, client)
    return out


def health(found: Mapping[str, Provider]) -> Health:
    """Whether anybody can be asked, and who."""
    names = ", ".join(found)
    detail, fix = f"providers: {names or 'none'}", "" if names else ADD_ONE
    return Health(ok=bool(names), detail=detail, fix=fix, facts={"providers": names})
