"""What onnxruntime alone takes for the vectors of some texts: no tokenizer, no store, no index."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from astro_mcp.agents.knowledge.embedding import network, tokenizer

BATCH: Final = 4
"""Of 1, 2, 4, 8 and 16 the fastest for onnxruntime as it comes, with texts of like length beside one another."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """CPU time of the process, and time by the clock."""

    cpu: float = 0.0
    wall: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)

    def since(self, earlier: Seconds) -> Seconds:
        return Seconds(self.cpu - earlier.cpu, self.wall - earlier.wall)


def now() -> Seconds:
    return Seconds(time.process_time(), time.perf_counter())


class Floor:
    """The model as it comes on one thread, in the two ways that could be the faster one: with onnxruntime's own
    options, in batches of like length, and with ours, text by text."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = folder / "model.onnx"
        self._plain = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._ours = network(model)
        self._tokenizer = tokenizer(folder)
        for session in (self._plain, self._ours):
            session.run(None, _padded([[101, 102]]))  # an empty text: what the first one takes longer is no rate

    def seconds(self, texts: Sequence[str]) -> tuple[Seconds, Seconds]:
        """In batches as onnxruntime comes, and text by text with our options."""
        tokens = sorted((encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))), key=len)
        batches = [_padded(tokens[start : start + BATCH]) for start in range(0, len(tokens), BATCH)]
        return _timed(self._plain.run, batches), _timed(self._ours.run, [_padded([ids]) for ids in tokens])


def _padded(part: Sequence[Sequence[int]]) -> dict[str, Any]:
    ids, mask = np.zeros((2, len(part), len(part[-1])), np.int64)
    for place, found in enumerate(part):
        ids[place, : len(found)], mask[place, : len(found)] = found, 1
    return {"input_ids": ids, "attention_mask": mask}


def _timed(network_run: Callable[..., Any], asked: Sequence[dict[str, Any]]) -> Seconds:
    began = now()
    for inputs in asked:
        network_run(None, inputs)
    return now().since(began)
