"""Which model answers, and which one shall: the first by a file beside the index, the second by the settings."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge.embedding import BUILTIN, Embedder, Embedding, Space
from astro_mcp.agents.knowledge.endpoint import Endpoint, family
from astro_mcp.config import EmbeddingSettings
from astro_mcp.errors import Unavailable
from astro_mcp.net.client import GuardedClient

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix

FILE: Final = "model.json"


class Gone:
    """A model of before, that the settings do not name any more, or that became another one under its name: its vectors
    are there, and nobody makes new ones."""

    leaves = False

    def __init__(self, space: Space) -> None:
        self.space: Space | None = space

    async def documents(self, texts: Sequence[str]) -> Matrix:
        """Raises `Unavailable`."""
        raise Unavailable("the model of before is there no more; the new one is on its way", retryable=True)

    async def query(self, text: str) -> Matrix:
        """Raises `Unavailable`."""
        return await self.documents([text])

    def at_once(self, text: str) -> None:
        """As `Embedding.at_once`: it can't."""


class Serving:
    """`now` answers queries and embeds what is new; `next` is the one that the settings name, where that is another."""

    def __init__(
        self, folder: Path, builtin: Embedder, settings: EmbeddingSettings, client: GuardedClient | None
    ) -> None:
        """`client` leads to the endpoint that the settings name, where they name one."""
        self._path = folder / FILE
        self._builtin = builtin
        self._settings = settings
        self._client = client
        self._reading = anyio.Lock()
        self._read = False
        self.now: Embedding = builtin
        self.next: Embedding | None = None
        self.left = 0
        """Chunks that `next` lacks, as far as is known."""
        self.other: Space | None = None
        """What the record may hold vectors of, beside those that answer."""

    @property
    def space(self) -> Space:
        """Where the vectors lie that answer."""
        return self.now.space or BUILTIN

    @property
    def spaces(self) -> list[Space]:
        """That one, and the one that is filled."""
        coming = None if self.next is None else self.next.space
        return [self.space, *([coming] if coming else [])]

    @property
    def notice(self) -> str:
        """ "" where one model does all."""
        if self.next is None:
            return ""
        return f"another embedding model takes over when it is whole; {self.left} chunks are left"

    async def settled(self) -> Serving:
        """Itself, once the file was read."""
        if not self._read:
            async with self._reading:
                if not self._read:
                    self._choose(*await anyio.to_thread.run_sync(_spaces, self._path))
                    self._read = True
        return self

    async def take_over(self) -> None:
        """`next` answers from now on."""
        if self.next is not None and self.next.space is not None:
            before = self.space
            await anyio.to_thread.run_sync(_keep, self._path, self.next.space, before)
            self.now, self.next, self.other = self.next, None, before

    async def note(self, other: Space | None) -> None:
        """The record will hold vectors of `other`, or of none but what answers. Raises `Unavailable`."""
        try:
            await anyio.to_thread.run_sync(_keep, self._path, self.space, other)
        except OSError as error:  # a full disk: what answers is as it was
            fix = "check the disk that holds the data folder"
            raise Unavailable(f"{FILE} can't be written now: {error.strerror}", fix) from None
        self.other = other

    def resized(self) -> bool:
        """The endpoint gives another count of numbers than it gave: it is the next model then, of which nothing is
        known. Whether it was the one that answered."""
        answered = self.next is None
        if answered:
            self.now = Gone(self.space)
        if self.next is None or self.next.space is not None:
            self.next = self._endpoint(None)
        return answered

    def _choose(self, kept: Space, other: Space | None) -> None:
        wanted = self._wanted(kept)
        self.other = other
        if wanted.space == kept:
            self.now = wanted
            if other is not None and self._configured(other):
                self.resized()
        else:
            self.now = self._builtin if kept == BUILTIN else Gone(kept)
            self.next = wanted

    def _wanted(self, kept: Space) -> Embedding:
        if self._settings.provider == "builtin":
            return self._builtin
        return self._endpoint(kept if self._configured(kept) else None)

    def _configured(self, space: Space) -> bool:
        """Whether the endpoint that the settings name may have made it."""
        named = self._settings.provider != "builtin"
        return named and space.model == f"{family(self._settings)}-{space.dimension}"

    def _endpoint(self, known: Space | None) -> Endpoint:
        if self._client is None:
            raise TypeError("an endpoint is reached through a client")
        return Endpoint(self._client, self._settings, known)


def _spaces(path: Path) -> tuple[Space, Space | None]:
    """What the file tells of the model that answers, and of another one; the model in the box where there is no file,
    or nothing that makes sense."""
    try:
        body = json.loads(path.read_bytes())
        other = body.get("other")
        return _space(body), _space(other) if other else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return BUILTIN, None


def _space(body: Any) -> Space:
    return Space(str(body["model"]), int(body["dimension"]))


def _keep(path: Path, space: Space, other: Space | None) -> None:
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({**space._asdict(), "other": other and other._asdict()}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
