"""The peers of the extraction benchmark, in their own environment: pages in, one object of JSON out."""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

import lxml.html
import readability
import trafilatura
from html_to_markdown import convert


def by_readability(page: str) -> str:
    tree = lxml.html.fromstring(readability.Document(page).summary())
    return "\n".join(tree.itertext())


def by_trafilatura(page: str) -> str:
    return trafilatura.extract(page, include_comments=False) or ""


def by_converter(page: str) -> str:
    return convert(page).content or ""


PEERS = {"trafilatura": by_trafilatura, "readability": by_readability, "html-to-markdown": by_converter}


def main(data: Path) -> None:
    pages = {path.name.removesuffix(".html.gz"): path for path in sorted(data.glob("html/*.html.gz"))}
    found: dict[str, tuple[dict[str, str], list[float]]] = {name: ({}, []) for name in PEERS}
    for key, path in pages.items():
        page = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        for name, extract in PEERS.items():
            began = time.perf_counter()
            found[name][0][key] = extract(page)
            found[name][1].append(time.perf_counter() - began)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
