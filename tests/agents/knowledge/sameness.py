"""Whether a closed index holds what the record says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def same_as_record(folder: Path) -> int:
    """Compares a closed index with the record, in a process of its own; the number of vectors in both."""
    code = """
import pathlib, sqlite3, sys
import chromadb, numpy as np
folder = pathlib.Path(sys.argv[1])
index = {}
client = chromadb.PersistentClient(str(folder / "knowledge" / "index"))
for collection in client.list_collections():
    held = collection.get(include=["embeddings"])
    index.update({int(key): vector for key, vector in zip(held["ids"], held["embeddings"])})
query = "SELECT c.id, v.vector FROM knowledge_chunk c JOIN knowledge_vector v USING (tenant, scope, sha256)"
record = {key: np.frombuffer(vector, "<f4") for key, vector in sqlite3.connect(folder / "astro.db").execute(query)}
assert index.keys() == record.keys(), (len(index), len(record))
assert all(np.allclose(index[key], record[key], atol=1e-6) for key in record)
print(len(record))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
