"""A child process of the daemon: opens an index folder that nobody closed, and tells what it holds.

`python -I -m astro_mcp.agents.knowledge.index_child OWNER FOLDER VECTORS SECONDS`; OWNER is the process that it ends
with. One JSON object a line: a collection's name, and of some of its chunks the digest of their vectors; the last line
says that this was all. A torn folder can only break this process, within its bounds.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, Final

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.backlog import digest
from astro_mcp.agents.knowledge.index import opened
from astro_mcp.agents.knowledge.seal import most_bytes
from astro_mcp.sandbox.with_owner import end_with

MEMORY: Final = 4 << 30
"""Address space beside the vectors; most of it is what threads reserve and never touch."""
PAGE: Final = 2000
ALL: Final = "all"


def main(arguments: list[str]) -> int:
    """0 where everything was read."""
    owner, folder, vectors, seconds = arguments
    end_with(int(owner))
    answer = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever a library prints is no answer
    most = most_bytes(int(vectors))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    libraries.chromadb()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY + most, MEMORY + most))
    client = opened(Path(folder))
    for collection in client.list_collections():
        for held in _pages(collection):
            answer.write(json.dumps({"name": collection.name, "held": held}) + "\n")
    client.close()
    answer.write(json.dumps({ALL: True}) + "\n")
    answer.close()
    return 0


def _pages(collection: Any) -> Any:
    """chunk → digest, some at a time; asked once, so that a graph that can't be walked shows itself here."""
    start = 0
    while True:
        found = collection.get(limit=PAGE, offset=start, include=["embeddings"])
        if not start and found["ids"]:
            collection.query(query_embeddings=found["embeddings"][:1], n_results=10, include=[])
        rows = libraries.numpy().asarray(found["embeddings"], dtype="<f4")
        yield {key: digest(row.tobytes()) for key, row in zip(found["ids"], rows, strict=True)}
        start += PAGE
        if len(found["ids"]) < PAGE:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
