"""Sentence vectors on this machine: all-MiniLM-L6-v2 as int8 ONNX, from the server's own resources.

No network is touched. The model's files are checked against their SHA256SUMS before they are loaded.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import anyio
import anyio.to_thread
from anyio import from_thread

from astro_mcp.agents.knowledge import libraries
from astro_mcp.errors import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

MODEL: Final = "minilm-l6-v2-int8"
DIMENSION: Final = 384
TOKENS: Final = 256
"""Tokens of a text that count; the model was trained on no more."""


class Space(NamedTuple):
    """What vectors can be compared in: a model, and how many numbers it gives."""

    model: str
    dimension: int


BUILTIN: Final = Space(MODEL, DIMENSION)


class Embedding(Protocol):
    """Texts to vectors of length 1, as rows of float32."""

    @property
    def space(self) -> Space | None:
        """Where its vectors lie; None until it has been asked once."""

    @property
    def leaves(self) -> bool:
        """Whether texts leave this machine for it."""

    async def documents(self, texts: Sequence[str]) -> Matrix:
        """The vectors of `texts`, in their order; raises `Unavailable`, `TimedOut`."""

    async def query(self, text: str) -> Matrix:
        """The vector of one query, as a matrix of one row; raises what `documents` does."""


class Embedder:
    """Texts to vectors of length 1, as rows of float32.

    Documents and queries have a thread each: a query never waits behind a batch. Loaded at first use.
    """

    def __init__(self, folder: Path, batch: int) -> None:
        self._folder = folder
        self._batch = batch
        self._documents = anyio.CapacityLimiter(1)
        self._queries = anyio.CapacityLimiter(1)
        self._loading = threading.Lock()
        self._model: _Model | None = None

    @property
    def space(self) -> Space:
        return BUILTIN

    @property
    def leaves(self) -> bool:
        return False

    async def documents(self, texts: Sequence[str]) -> Matrix:
        """The vectors of `texts`, in their order; raises `Unavailable` where the model can't be loaded."""
        return await anyio.to_thread.run_sync(lambda: self._run(texts), limiter=self._documents)

    async def query(self, text: str) -> Matrix:
        """The vector of one query, as a matrix of one row; raises `Unavailable`."""
        return await anyio.to_thread.run_sync(lambda: self._run([text]), limiter=self._queries)

    def _run(self, texts: Sequence[str]) -> Matrix:
        with self._loading:
            self._model = self._model or _Model(self._folder)
        return self._model.embed(texts, self._batch)


class _Model:
    """The network and its tokenizer; both may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        verify(folder)
        onnxruntime = libraries.onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer: Any = libraries.tokenizers().Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS)

    def embed(self, texts: Sequence[str], batch: int) -> Matrix:
        """Batches of like length, since a batch costs as much as its longest text."""
        np = libraries.numpy()
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch([plain(text) for text in texts])]
        order = sorted(range(len(texts)), key=lambda index: len(tokens[index]))
        vectors: Matrix = np.zeros((len(texts), DIMENSION), np.float32)
        for start in range(0, len(order), batch):
            from_thread.check_cancelled()
            chosen = order[start : start + batch]
            vectors[chosen] = self._forward([tokens[index] for index in chosen])
        return vectors

    def _forward(self, tokens: Sequence[Sequence[int]]) -> Matrix:
        """Mean over the tokens that are none of the padding, then L2 (the recipe of the model's card)."""
        np = libraries.numpy()
        width = max(len(ids) for ids in tokens)
        ids = np.zeros((len(tokens), width), np.int64)
        mask = np.zeros((len(tokens), width), np.int64)
        for row, found in enumerate(tokens):
            ids[row, : len(found)] = found
            mask[row, : len(found)] = 1
        hidden = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        weights = mask[:, :, None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        unit: Matrix = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        return unit.astype(np.float32)


def plain(text: str) -> str:
    """`text` without what the tokenizer can't take: lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def verify(folder: Path) -> None:
    """Raises `Unavailable` where a file of the model is missing or is not what SHA256SUMS says."""
    fix = "install astro-mcp again: its resources/models folder is not whole"
    try:
        sums = (folder / "SHA256SUMS").read_text(encoding="ascii")
        for line in sums.splitlines():
            expected, _, name = line.partition("  ")
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
                raise Unavailable(f"{name} of the model {MODEL} was changed", fix, retryable=False)
    except OSError as error:
        raise Unavailable(f"the model {MODEL} can't be read: {error.strerror}", fix, retryable=False) from None
