"""What onnxruntime alone takes for the vectors of some texts: no tokenizer, no store, no index."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from astro_mcp.agents.knowledge.embedding import TOKENS


def floor(folder: Path, texts: Sequence[str], batch: int) -> float:
    """Seconds of CPU for the network on the texts' tokens, sorted by length, `batch` at once, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS)
    tokens = sorted((encoding.ids for encoding in tokenizer.encode_batch(list(texts))), key=len)
    made = []
    for start in range(0, len(tokens), batch):
        part = tokens[start : start + batch]
        ids, mask = np.zeros((2, len(part), len(part[-1])), np.int64)
        for place, found in enumerate(part):
            ids[place, : len(found)], mask[place, : len(found)] = found, 1
        made.append({"input_ids": ids, "attention_mask": mask})
    session.run(None, made[0])
    began = time.process_time()
    for given in made:
        session.run(None, given)
    return time.process_time() - began
