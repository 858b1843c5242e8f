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
NETWORK: Final = "network.onnx"
"""The model as it is asked here, with `model.onnx`'s weights: without a mask, since a text alone has no room beside it,
and to the mean over the tokens and its length of 1 (`scripts/embedding_network.py`)."""
DIMENSION: Final = 384
TOKENS: Final = 256
"""Tokens of a text that count; the model was trained on no more."""
SLOW_FUSIONS: Final = ("SkipLayerNormFusion",)
"""What onnxruntime 1.32 is to leave apart: of an addition and a normalization it makes one operator that takes twice as
long as the two, a twelfth of the whole."""


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

    def at_once(self, text: str) -> Matrix | None:
        """The same in the caller's thread and without a wait; None where that can't be."""


class Embedder:
    """Texts to vectors of length 1, as rows of float32.

    A vector is made of its text alone, and of no other that is embedded at the time: the network rounds by the largest
    number of all that it is given at once. Documents and queries have a thread each: a query never waits behind
    documents. Loaded at first use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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

    def at_once(self, text: str) -> Matrix | None:
        """The same in the caller's thread; None where the model is not loaded yet."""
        return None if self._model is None else self._model.vector(text)[None]

    def _run(self, texts: Sequence[str]) -> Matrix:
        with self._loading:
            self._model = self._model or _Model(self._folder)
        return self._model.embed(texts)


class _Model:
    """The network and its tokenizer; both may be used from several threads."""

    def __init__(self, folder: Path) -> None:
        verify(folder)
        self._session: Any = network(folder / NETWORK)
        self._tokenizer: Any = tokenizer(folder)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """One after the other: a batch is no faster on one thread, and takes its size in memory."""
        np = libraries.numpy()
        vectors: Matrix = np.zeros((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            from_thread.check_cancelled()
            vectors[row] = self.vector(text)
        return vectors

    def vector(self, text: str) -> Any:
        """The vector of one text."""
        (encoding,) = self._tokenizer.encode_batch_fast([plain(text)])  # fast: without each token's place in the text
        return self._session.run(None, given(encoding.ids))[0][0]


def network(file: Path) -> Any:
    """An onnxruntime session of that file, on the thread that asks it."""
    onnxruntime = libraries.onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(file),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(SLOW_FUSIONS),
    )


def tokenizer(folder: Path) -> Any:
    """The model's tokenizer: as many tokens as count, and no padding."""
    made = libraries.tokenizers().Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(TOKENS)
    return made


def given(tokens: Sequence[int]) -> dict[str, Any]:
    """What the network is asked for one text."""
    return {"input_ids": libraries.numpy().array([tokens], "int64")}


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
