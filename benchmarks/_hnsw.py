"""A child in the peers' environment: `_hnsw.py VECTORS.npy QUERIES.npy`; prints the seconds of each question."""

from __future__ import annotations

import json
import sys
import time

import hnswlib
import numpy as np

MOST = 100


def main(vectors: str, queries: str) -> None:
    """The graph has hnswlib's defaults, as Chroma's has."""
    held, asked = np.load(vectors), np.load(queries)
    index = hnswlib.Index(space="ip", dim=held.shape[1])
    index.init_index(max_elements=len(held), ef_construction=100, M=16)
    index.set_num_threads(1)
    index.add_items(held)
    index.set_ef(MOST)
    took = []
    for query in asked:
        began = time.perf_counter()
        index.knn_query(query, k=MOST)
        took.append(time.perf_counter() - began)
    print(json.dumps(took))


if __name__ == "__main__":
    main(*sys.argv[1:3])
