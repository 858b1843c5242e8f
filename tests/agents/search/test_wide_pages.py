"""Pages of very many elements side by side: each pass over them takes time that grows with their number alone."""

from __future__ import annotations

import pytest
from tests.quickest import computed

from astro_mcp.agents.search.conversion import article, whole
from astro_mcp.agents.search.markup import mark

MANY = 20_000
PROSE = "<p>" + "Bees cluster around the queen, and live on what they stored since the summer ended. " * 5 + "</p>"
WIDE = {
    "a paragraph of links": "<p>" + "<a href=x>word</a> " * MANY,
    "a header of the article": f"<article><header><h1>Bees</h1><div>{'<b>word</b> ' * MANY}</div></header>{PROSE}",
    "menus with text behind": "<nav>menu</nav>word " * MANY + PROSE,
    "what is hidden with text behind": "<i hidden>unseen</i>word " * MANY + PROSE,
    "one that is hidden with all in it": f"<div hidden>{'<i hidden>unseen</i>word ' * MANY}</div>" + PROSE,
    "labels before the text": "<div>word</div>" * MANY + PROSE,
    "said twice": f"<p>{'said before, and as long as a paragraph is'}</p>" * MANY + PROSE,
}


@pytest.mark.parametrize("kind", WIDE)
def test_an_article_among_twenty_thousand_elements_is_found_in_linear_time(kind: str) -> None:
    page = mark(f"<html><body>{WIDE[kind]}</body></html>").text
    found = computed(4, lambda: article(page, "http://site.example/"))  # what is not linear takes ten and more
    assert ("Bees cluster" in found) == (PROSE in WIDE[kind])
    assert "unseen" not in found


def test_text_behind_what_goes_stays_where_it_was() -> None:
    page = mark("<p>a<i hidden>1</i>b<i hidden>2</i>c<b>d</b>e<i hidden>3</i>f<i hidden><u hidden>4</u>5</i></p>").text
    assert whole(page, "").strip() == "abc**d**ef"
    assert article(page, "").strip() == "abc**d**ef"
