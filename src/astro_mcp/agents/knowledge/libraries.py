"""The heavy libraries, loaded at first use, and by one thread at a time.

Two threads that load what is built on numpy at once can leave it half loaded, and for the rest of the process: "cannot
load module more than once per process". The interpreter's own locks are one a module, and do not see that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

_LOADING: Final = threading.Lock()
_loaded: Final[dict[str, Any]] = {}


def _one_at_a_time(load: Callable[[], Any]) -> Callable[[], Any]:
    """`load` under the lock, once; nobody waits for what is there while another thread loads something else."""

    @wraps(load)
    def library() -> Any:
        if load.__name__ not in _loaded:
            with _LOADING:
                import numpy  # noqa: F401, PLC0415 - whole, before anything that is built on it

                _loaded[load.__name__] = load()
        return _loaded[load.__name__]

    return library


@_one_at_a_time
def chromadb() -> Any:
    """Takes over a second the first time."""
    import chromadb  # noqa: PLC0415 - see the module

    return chromadb


@_one_at_a_time
def numpy() -> Any:
    import numpy  # noqa: PLC0415 - see the module

    return numpy


@_one_at_a_time
def onnxruntime() -> Any:
    import onnxruntime  # noqa: PLC0415 - see the module

    return onnxruntime


@_one_at_a_time
def tokenizers() -> Any:
    import tokenizers  # noqa: PLC0415 - see the module

    return tokenizers
