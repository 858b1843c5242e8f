"""Sentence vectors by an endpoint of the operator's: OpenAI's "Create embeddings", or Ollama's `/api/embed`."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.embedding import Space, plain
from astro_mcp.agents.knowledge.failures import said
from astro_mcp.agents.knowledge.making import Refused, Resized
from astro_mcp.config import EmbeddingSettings
from astro_mcp.errors import AstroError, ProviderFailed, RateLimited
from astro_mcp.net.client import Fetched, GuardedClient

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix

TRIES: Final = 3
PAUSE: Final = 0.5
"""Seconds before the second try; twice as long before each that follows."""
LONGEST_PAUSE: Final = 10.0
QUERY_SECONDS: Final = 5.0
"""The longest that a search waits for its query's vector: words answer meanwhile."""
CHARACTERS: Final = 8000
"""Of a text that is sent: chunks are shorter, queries are bound to 2,000."""
DIMENSIONS: Final = 8192
"""Numbers of a vector, at most."""
NUMBER_BYTES: Final = 64
"""Of one number in an answer, on a line of its own."""
OTHER_BYTES: Final = 100_000
"""What an answer says beside its numbers."""
UNFIT: Final = (400, 413, 422)
"""What an endpoint answers to texts that it does not take."""
_FIX: Final = "look at [knowledge.embedding] in config.toml"


def family(settings: EmbeddingSettings) -> str:
    """What an endpoint's spaces are called, but for their dimension: another address or model is another one."""
    name = re.sub(r"[^a-z0-9]+", "-", settings.model.lower()).strip("-")[:40]
    body = "\0".join([settings.provider, settings.base_url.rstrip("/"), settings.model])
    return f"{name or 'model'}-{hashlib.sha256(body.encode()).hexdigest()[:8]}"


class Endpoint:
    """Asks through the guarded transport, in batches, and again after a pause where that may help."""

    def __init__(self, client: GuardedClient, settings: EmbeddingSettings, known: Space | None = None) -> None:
        self._client = client
        self._settings = settings
        self._space = known

    @property
    def space(self) -> Space | None:
        return self._space

    @property
    def leaves(self) -> bool:
        return True

    async def documents(self, texts: Sequence[str]) -> Matrix:
        """The vectors of `texts`, in their order; raises `ProviderFailed`, `Refused`, `Resized`, `TimedOut`,
        `RateLimited`, `Forbidden`."""
        made = []
        for start in range(0, len(texts), self._settings.batch):
            made.append(await self._again(texts[start : start + self._settings.batch]))
        whole: Matrix = await anyio.to_thread.run_sync(libraries.numpy().concatenate, made)
        return whole

    async def query(self, text: str) -> Matrix:
        """The vector of one query, asked for once and not for long; raises what `documents` does."""
        return await self._ask([text], min(self._settings.timeout_seconds, QUERY_SECONDS))

    def at_once(self, text: str) -> None:
        """As `Embedding.at_once`: an endpoint is waited for."""

    async def _again(self, texts: Sequence[str]) -> Matrix:
        for number in range(1, TRIES):
            try:
                return await self._ask(texts, self._settings.timeout_seconds)
            except AstroError as error:
                if not error.retryable:
                    raise
                wanted = (error.retry_after_ms or 0) / 1000
                await anyio.sleep(min(max(wanted, PAUSE * 2 ** (number - 1)), LONGEST_PAUSE))
        return await self._ask(texts, self._settings.timeout_seconds)

    async def _ask(self, texts: Sequence[str], seconds: float) -> Matrix:
        settings = self._settings
        path = "/embeddings" if settings.provider == "openai" else "/api/embed"
        headers = {"content-type": "application/json"}
        if settings.key:
            headers["authorization"] = f"Bearer {settings.key}"
        body = {"model": settings.model, "input": [plain(text)[:CHARACTERS] for text in texts]}
        answer = await self._client.post(
            settings.base_url.rstrip("/") + path,
            json.dumps(body).encode(),
            headers=headers,
            max_bytes=self._most(len(texts)),
            timeout=seconds,
            allow_private=settings.allow_private,
        )
        vectors = await anyio.to_thread.run_sync(_vectors, answer, len(texts), settings.key)
        self._settle(int(vectors.shape[1]))
        return vectors

    def _most(self, texts: int) -> int:
        """Bytes of an answer: to take JSON apart holds up every other thread. Four times what is known, so that another
        model is told as one."""
        numbers = DIMENSIONS if self._space is None else min(DIMENSIONS, 4 * self._space.dimension)
        return OTHER_BYTES + texts * numbers * NUMBER_BYTES

    def _settle(self, dimension: int) -> None:
        """All vectors lie in one space, as long as this process and the record know of it."""
        if self._space is None:
            self._space = Space(f"{family(self._settings)}-{dimension}", dimension)
        elif self._space.dimension != dimension:
            reason = f"the embedding endpoint gives {dimension} numbers a text, and gave {self._space.dimension} before"
            raise Resized(reason, "all is embedded anew, as by another model", retryable=False)


def _vectors(answer: Fetched, count: int, key: str) -> Matrix:
    """The answer's vectors at length 1; raises `ProviderFailed`, `RateLimited`."""
    if answer.status != 200:
        raise _refused(answer, key)
    np = libraries.numpy()
    try:
        rows = _rows(json.loads(answer.body))
        matrix: Matrix = np.array(rows, np.float32)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise ProviderFailed("the embedding endpoint gave no embeddings", _FIX) from None
    if matrix.ndim != 2 or len(matrix) != count or not 0 < matrix.shape[1] <= DIMENSIONS:
        raise ProviderFailed(f"the embedding endpoint gave something else than {count} vectors", _FIX)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not bool(np.isfinite(lengths).all()) or not bool((lengths > 0).all()):
        raise ProviderFailed("the embedding endpoint gave vectors without a direction", _FIX)
    unit: Matrix = (matrix / lengths).astype(np.float32)
    return unit


def _rows(body: Any) -> list[list[float]]:
    """OpenAI's `data`, in the order of `index`, or Ollama's `embeddings`."""
    if "embeddings" in body:
        return list(body["embeddings"])
    items = sorted(body["data"], key=lambda item: item["index"])
    if [item["index"] for item in items] != list(range(len(items))):
        raise ValueError("an index is missing")
    return [item["embedding"] for item in items]


def _refused(answer: Fetched, key: str) -> AstroError:
    reason = f"the embedding endpoint answered {answer.status}: {said(answer, key)}"
    if answer.status in UNFIT:
        return Refused(reason, _FIX, retryable=False)
    if answer.status == 429:
        wait = answer.headers.get("retry-after", "")
        after = math.ceil(float(wait) * 1000) if re.fullmatch(r"\d{1,5}", wait) else None
        return RateLimited(reason, retry_after_ms=after)
    return ProviderFailed(reason, _FIX, retryable=answer.status >= 500)
