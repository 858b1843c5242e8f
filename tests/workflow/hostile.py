"""Evaluates hostile expressions in this process' own evaluator and prints what each one cost; run as a child, with the
number of its part and how many parts there are."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from astro_mcp.errors import AstroError
from astro_mcp.workflow.expressions.evaluator import Evaluator
from astro_mcp.workflow.expressions.prepare import prepare
from astro_mcp.workflow.expressions.template import parse

HOSTILE = [
    "(" * 500 + "1" + ")" * 500,
    "[" * 500 + "]" * 500,
    "{'a':" * 150 + "1" + "}" * 150,
    "-" * 1000 + "1",
    "!" * 1000 + "true",
    "true?" * 200 + "1" + ":1" * 200,
    "item" + ".a" * 500,
    "+".join("1" * 500),
    "item" + "[0]" * 330,
    "item.map(a, item.map(b, 1))",
    "item.map(a, item.map(b, item.map(c, 1)))",
    "item.all(a, item.all(b, item.all(c, item.all(d, true))))",
    "item" + ".map(x,x)" * 100,
    "index.matches('(a+)+b')",
    "index.matches('((((a{0,100}){0,100}){0,100}){0,100})')",
    "index.matches('(a|aa)*' + index)",
    "[item]" + ".map(a,a+a)" * 16,
    "[index]" + ".map(a,a+a)" * 20 + ".map(a,size(a))",
    "item.map(x, index + index)",
    "item.map(x, item.map(y, index))",
    "item.all(x, !index.contains('aaaaab'))",
    "item.all(x, !index.matches('(a|b|ab)*c'))",
    "item.map(x, item)",
    "dyn(" * 200 + "1" + ")" * 200,
    "item.all(x, item == item)",
    "flatten(item.map(x, item.map(y, [x, y])))",
    "join(item.map(x, index), index)",
    "replace(index, 'a', index)",
    "replace(replace(index, 'a', 'aaaaaaaaaa'), 'a', index)",
    "format('{0}{0}{0}{0}', [index]) + json(item.map(x, index))",
    "split(index, 'a').map(x, index)",
    "zip(item, item).map(p, zip(item, item))",
    "table(item.map(x, {'a': index}), ['a'])",
    "group_by(item.map(x, {'a': index}), 'a')",
    "distinct(item.map(x, index))",
    "default(index + index, index).map(x, x)",
    "timestamp('2020')",
    "'\\ud800'",
    "\x00\x01\x02",
    "steps." * 160,
]


TEXTS = [
    "${{" * 40_000,
    "${{ '" + "\\" * 100_000,
    "${{ {" * 20_000,
    "'" * 100_000 + "${{ 1 }}",
    "${{ " + "'''" * 30_000,
]


QUARTER_SECOND = 0.25
ATTEMPTS = 3


def load() -> float:
    """How many times slower than alone this process runs now: the machine is shared."""
    wall, processor = time.perf_counter(), time.process_time()
    while time.process_time() - processor < 0.02:
        pass
    return max(1.0, (time.perf_counter() - wall) / (time.process_time() - processor))


def attempt(work: Callable[[str], object], source: str) -> tuple[float, float, str]:
    """What it would have taken alone, what it took, and how it ended."""
    before = load()
    began = time.perf_counter()
    try:
        work(source)
        outcome = "ok"
    except AstroError as error:
        outcome = error.code
    seconds = time.perf_counter() - began
    return seconds / max(before, load()), seconds, outcome


def measure(ready: Callable[[], object], work: Callable[[str], object], source: str) -> None:
    """The best of three attempts: a burst of the neighbours meets one, what is slow by itself is slow in each."""
    tried: list[tuple[float, float, str]] = []
    while len(tried) < ATTEMPTS and all(alone > QUARTER_SECOND for alone, _, _ in tried):
        ready()
        tried.append(attempt(work, source))
    alone, seconds, outcome = min(tried)
    print(json.dumps({"source": source[:60], "outcome": outcome, "seconds": seconds, "alone": alone}))


def main(part: int, parts: int) -> None:
    evaluator = Evaluator()
    data = {"item": list(range(1000)), "index": "a" * 200_000, "steps": {}, "inputs": {}}

    def evaluate(source: str) -> None:
        prepare(source)
        evaluator.evaluate(source, data)

    for source in HOSTILE[part::parts]:
        measure(lambda: evaluator.check("1"), evaluate, source)  # a killed child's successor starts outside of it
    for text in TEXTS[part::parts]:
        measure(load, parse, text)
    evaluator.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
