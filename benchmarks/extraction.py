"""The article of a page, ours beside trafilatura, readability and html-to-markdown alone: F1 on a labelled set.

`--data DIR` is the article extraction benchmark as its repository has it: `ground-truth.json` and `html/*.html.gz`. As
there, texts are compared by their shingles of four words, precision and recall are means over pages, F1 is of those.
Headlines of the first level are taken off whatever gives them, since the labels leave them out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

from astro_mcp.agents.search.page import read
from benchmarks._report import report, row

OURS: Final = "astro-mcp"
WORDS: Final = 4
_IMAGE: Final = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK: Final = re.compile(r"\[([^\]]*)\]\((?:[^()]|\([^()]*\))*\)")
_HEADLINE: Final = re.compile(r"^# .*$", re.MULTILINE)
_SIGNS: Final = re.compile(r"[*_`\\|#>]")
Score = tuple[float, float, float]


def plain(markdown: str) -> str:
    """The text of Markdown, near enough to count its words."""
    text = _LINK.sub(r"\1", _IMAGE.sub(" ", _HEADLINE.sub("", markdown)))
    return _SIGNS.sub("", text)


def score(truth: str, found: str) -> Score:
    """Shingles that both have, that only `found` has, and that only `truth` has, as parts of all of a page's."""
    wanted, given = _shingles(truth), _shingles(found)
    both = sum((wanted & given).values())
    more, less = sum((given - wanted).values()), sum((wanted - given).values())
    whole = both + more + less or 1
    return both / whole, more / whole, less / whole


def total(scores: Sequence[Score]) -> tuple[float, float, float]:
    """F1, precision and recall."""
    precision = mean(both / (both + more) for both, more, _ in scores if both + more)
    recall = mean(both / (both + less) for both, _, less in scores if both + less)
    return 2 * precision * recall / (precision + recall), precision, recall


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return Counter(tuple(words[place : place + WORDS]) for place in range(max(1, len(words) - WORDS + 1)))


def ours(page: bytes, url: str) -> str:
    return read(page, "text/html; charset=utf-8", url, "article").markdown


def measured(pages: Mapping[str, bytes], extract: Callable[[str], str]) -> tuple[dict[str, str], list[float]]:
    """What `extract` gives for each page, and the seconds of each."""
    found, seconds = {}, []
    for key in pages:
        began = time.perf_counter()
        found[key] = extract(key)
        seconds.append(time.perf_counter() - began)
    return found, seconds


def theirs(data: Path) -> dict[str, tuple[dict[str, str], list[float]]]:
    """The peers' texts and seconds, from a process of their own environment; nothing where it is not installed."""
    python = Path(os.environ.get("ASTRO_BENCH_PEERS", "/nowhere")).parent / "extraction/bin/python"
    if not python.is_file():
        return {}
    argv = [str(python), str(Path(__file__).with_name("_extractors.py")), str(data)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True, cwd="/").stdout
    return {name: (texts, seconds) for name, (texts, seconds) in json.loads(said).items()}


def main(arguments: Sequence[str]) -> int:
    """Target: no peer's F1 is above ours."""
    parser = argparse.ArgumentParser(prog="scripts/bench extraction")
    parser.add_argument("--data", type=Path, required=True, help="a checkout of article-extraction-benchmark")
    parser.add_argument("--json", action="store_true", help="also one JSON object, on the last line")
    asked = parser.parse_args(arguments)
    truth: dict[str, Any] = json.loads((asked.data / "ground-truth.json").read_text())
    pages = {key: gzip.decompress((asked.data / f"html/{key}.html.gz").read_bytes()) for key in truth}
    found = {OURS: measured(pages, lambda key: ours(pages[key], truth[key].get("url") or "https://page.example/"))}
    found |= theirs(asked.data.resolve())
    rows, values = [], {}
    for name, (texts, seconds) in found.items():
        f1, precision, recall = total([score(truth[key]["articleBody"], plain(texts[key])) for key in truth])
        values[name] = f1
        note = f"F1 {f1:.4f}, precision {precision:.4f}, recall {recall:.4f}"
        rows.append({**row(name, seconds), "note": note})
    ratios = {f"F1 of {name} / ours": f1 / values[OURS] for name, f1 in values.items() if name != OURS}
    targets = {f"F1 of {name} / ours": 1.0 for name in ("trafilatura", "readability", "html-to-markdown")}
    return report("extraction", rows, ratios, targets, as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
