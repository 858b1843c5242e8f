"""Labelled sets of questions and texts, and how well a ranking answers them."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Text = tuple[str, str]
"""A chunk: its source and its text."""
DEPTH: Final = 10
FIRST: Final = 5


@dataclass(frozen=True, slots=True)
class Labelled:
    """`files` by source, `queries`, and `judged`: chunks to what each one counts as, and what is relevant by query."""

    name: str
    files: Mapping[str, str]
    queries: Sequence[str]
    judged: Callable[[Sequence[Text]], tuple[list[str], list[set[str]]]]


def by_source(name: str, files: Mapping[str, str], queries: Sequence[str], relevant: Sequence[set[str]]) -> Labelled:
    """A set whose labels name whole files: a chunk counts as its file."""
    return Labelled(name, files, queries, lambda chunks: ([source for source, _ in chunks], list(relevant)))


def ndcg(ranked: Sequence[str], relevant: set[str]) -> float:
    """nDCG@10 with a gain of 1 (Järvelin, Kekäläinen, 2002)."""
    gain = sum(1 / math.log2(place + 2) for place, unit in enumerate(ranked[:DEPTH]) if unit in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(DEPTH, len(relevant))))


def recall(ranked: Sequence[str], relevant: set[str]) -> float:
    """Recall@5."""
    return len(relevant & set(ranked[:FIRST])) / len(relevant)


def scored(rankings: Sequence[Sequence[str]], relevant: Sequence[set[str]]) -> tuple[float, float]:
    """Mean nDCG@10 and recall@5 over the queries that have an answer; a unit counts where it stands first."""
    pairs = [(list(dict.fromkeys(ranked)), wanted) for ranked, wanted in zip(rankings, relevant, strict=True) if wanted]
    return (
        sum(ndcg(ranked, wanted) for ranked, wanted in pairs) / len(pairs),
        sum(recall(ranked, wanted) for ranked, wanted in pairs) / len(pairs),
    )


def cranfield(data: Path) -> Labelled:
    """1,400 abstracts and 225 questions."""
    text = (data / "cran.all.1400.xml").read_text(encoding="utf-8", errors="replace")
    documents = re.findall(r"<docno>(.*?)</docno>.*?<text>(.*?)</text>", text, re.DOTALL)
    files = {f"{number.strip()}.txt": body.strip() for number, body in documents}
    titles = re.findall(r"<title>(.*?)</title>", (data / "cran.qry.xml").read_text(encoding="utf-8"), re.DOTALL)
    relevant: list[set[str]] = [set() for _ in titles]
    for line in (data / "cranqrel.trec.txt").read_text(encoding="ascii").splitlines():
        query, _, document, grade = line.split()
        if int(grade) > 0:
            relevant[int(query) - 1].add(f"{document}.txt")
    return by_source("Cranfield", files, [title.strip() for title in titles], relevant)


def chunked(data: Path) -> Labelled:
    """Five long documents and 472 questions, each with the passages that answer it: a chunk that holds half of one of
    them is relevant."""
    folder = data / "chunking-evaluation"
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    with (folder / "q.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def judged(chunks: Sequence[Text]) -> tuple[list[str], list[set[str]]]:
        begins = [files[source].find(text) for source, text in chunks]
        relevant = []
        for row in rows:
            spans = [(span["start_index"], span["end_index"]) for span in json.loads(row["references"])]
            relevant.append(
                {
                    str(place)
                    for place, ((source, text), begin) in enumerate(zip(chunks, begins, strict=True))
                    if source == f"{row['corpus_id']}.md"
                    and any(
                        min(begin + len(text), end) - max(begin, start) >= (end - start) / 2 for start, end in spans
                    )
                }
            )
        return [str(place) for place in range(len(chunks))], relevant

    return Labelled("chunked documents", files, [row["question"] for row in rows], judged)


def cosqa(data: Path, part: str) -> Labelled:
    """6,267 Python functions and 500 questions to a web search (github.com/Jun-jie-Huang/CoCLR, `data/search`)."""
    folder = data / "cosqa"
    functions: dict[str, int] = json.loads((folder / "code_idx_map.txt").read_text(encoding="utf-8"))
    asked = json.loads((folder / f"cosqa-retrieval-{part}-500.json").read_text(encoding="utf-8"))
    return by_source(
        f"CoSQA {part}",
        {f"{number}.py": text for text, number in functions.items()},
        [row["doc"] for row in asked],
        [{f"{row['retrieval_idx']}.py"} for row in asked],
    )
