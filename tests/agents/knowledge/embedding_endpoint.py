"""An endpoint that embeds: a few words in a few dimensions, which it may refuse to do, or do badly."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteStream
from tests.net.web_site import Loopback, Names, Site, answer, serving

from astro_mcp.config import EmbeddingSettings, KnowledgeSettings, WebSettings
from astro_mcp.net.client import GuardedClient

MEANINGS = (
    "upload send bucket retry backoff",
    "password login credential secret",
    "invoice pay money",
    "garden tomato",
)


def vector(text: str, dimension: int) -> list[float]:
    """By which of some meanings its words have; else by chance, always the same."""
    words = [sum(text.lower().count(word) for word in meaning.split()) for meaning in MEANINGS]
    rest = [1 + zlib.crc32(f"{n}{text}".encode()) % 100 / 1000 for n in range(dimension - len(words))]
    return [float(10 * count) for count in words] + rest


@dataclass
class Endpoint:
    """What it was asked; `harm` stands in for an answer's body, `status` for its line, `allowed` are the texts that it
    still embeds, and one with a `refused` word makes it refuse all that it came with."""

    site: Site
    dimension: int = 8
    status: str = "200 OK"
    harm: bytes = b""
    allowed: int = 1_000_000
    refused: str = ""
    texts: list[str] = field(default_factory=list)
    asked: int = 0
    of: Callable[[str, int], list[float]] = vector

    def settings(self, provider: Any = "openai", **more: Any) -> KnowledgeSettings:
        base = f"http://models.example:{self.site.port}"
        own = EmbeddingSettings(
            provider=provider,
            base_url=f"{base}/v1" if provider == "openai" else base,
            model="tiny/Model:1",
            allow_private=True,
            **more,
        )
        return KnowledgeSettings(embedding=own)

    def client(self) -> GuardedClient:
        return GuardedClient(WebSettings(), resolve=Names(), policy=Loopback())

    async def reply(self, stream: ByteStream) -> None:
        self.asked += 1
        texts: list[str] = json.loads(self.site.bodies[-1])["input"]
        if self.status != "200 OK" or self.allowed < len(texts):
            status = self.status if self.status != "200 OK" else "503 Service Unavailable"
            await stream.send(answer(b"away", status, retry_after="0"))
            return
        if self.refused and any(self.refused in text for text in texts):
            await stream.send(answer(b"input is too long", "400 Bad Request"))
            return
        self.allowed -= len(texts)
        self.texts += texts
        vectors = [self.of(text, self.dimension) for text in texts]
        if self.site.requests[-1][0] == "/api/embed":
            body: dict[str, Any] = {"embeddings": vectors}
        else:
            data = [{"index": n, "embedding": found} for n, found in enumerate(vectors)]
            body = {"data": data[::-1]}
        await stream.send(answer(self.harm or json.dumps(body).encode(), content_type="application/json"))


@asynccontextmanager
async def embedding() -> AsyncIterator[Endpoint]:
    async with serving() as site:
        endpoint = Endpoint(site)
        site.replies |= dict.fromkeys(("/v1/embeddings", "/api/embed"), endpoint.reply)
        yield endpoint


async def moved(desk: Any, seconds: float = 60) -> None:
    """Until one model does all."""
    with anyio.fail_after(seconds):
        while "takes over" in (await desk.value("kb_search", query="x")).notice:
            await anyio.sleep(0.05)


def models(folder: Path) -> list[tuple[str, int]]:
    """(model, bytes of a vector) of all that is kept."""
    with sqlite3.connect(folder / "astro.db") as raw:
        return raw.execute("SELECT DISTINCT model, length(vector) FROM knowledge_vector ORDER BY 2").fetchall()


def spaces(folder: Path) -> set[str]:
    """How the index's collections end; of a closed one."""
    with sqlite3.connect(folder / "knowledge" / "index" / "chroma.sqlite3") as raw:
        return {name.split("-", 2)[2] for (name,) in raw.execute("SELECT name FROM collections")}
