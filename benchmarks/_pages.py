"""Pages as they are found: an article among menus and teasers, and documentation with code and tables."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

_CHANCE: Final = random.Random(7)
_WORDS: Final = tuple(
    word
    for line in (
        "worker queue that holds what others gave it until the lease ends and a new one begins with the same number",
        "of rows in the table which nobody reads again before the journal is written and kept for an hour at most",
    )
    for word in line.split()
)


def _sentence() -> str:
    return " ".join(_CHANCE.choices(_WORDS, k=_CHANCE.randint(8, 24))).capitalize() + "."


def _paragraph() -> str:
    text = " ".join(_sentence() for _ in range(_CHANCE.randint(3, 7)))
    return f'<p class="text">{text} <a href="/more/{_CHANCE.randint(1, 999)}">More of it</a> stands there.</p>'


def _menu(count: int) -> str:
    items = (f'<li class="item"><a href="/s/{n}" class="link">Section {n}</a></li>' for n in range(count))
    return f'<nav><ul class="menu">{"".join(items)}</ul></nav>'


def _around(main: str) -> bytes:
    teasers = "".join(f'<div class="teaser"><a href="/t/{n}"><h3>{_sentence()}</h3></a></div>' for n in range(20))
    script = f"<script>var data = {[_CHANCE.random() for _ in range(400)]};</script>"
    style = "<style>" + "".join(f".c{n} {{ margin: {n}px; color: #333; }}\n" for n in range(200)) + "</style>"
    return (
        f"<!doctype html><html><head><title>A page</title>{style}{script}</head><body><header>{_menu(40)}</header>"
        f'<div id="page"><div class="content">{main}</div><aside class="sidebar">{teasers}</aside></div>'
        f"<footer>{_menu(30)}</footer>{script}</body></html>"
    ).encode()


def _article(paragraphs: int) -> bytes:
    parts = [f"<h2>Part {n}</h2>{''.join(_paragraph() for _ in range(5))}" for n in range(paragraphs // 5)]
    return _around(f"<h1>What a queue is</h1>{''.join(parts)}")


def _documentation(sections: int) -> bytes:
    code = '<pre><code class="language-python">queue = Queue()\nfor item in queue:\n    print(item)\n</code></pre>'
    rows = "".join(f"<tr><td><code>name_{n}</code></td><td>{_sentence()}</td></tr>" for n in range(8))
    table = f"<table><tr><th>Name</th><th>Meaning</th></tr>{rows}</table>"
    return _around("".join(f"<h2>Call {n}</h2>{_paragraph()}{code}{table}" for n in range(sections)))


PAGES: Final[Mapping[str, bytes]] = {
    "article": _article(25),
    "documentation": _documentation(20),
    "long-article": _article(100),
}
