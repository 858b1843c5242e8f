"""What of a page is its article: menus, teasers and comments go, headings, tables, code and links stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_mcp.agents.search.page import Page, headings, read
from astro_mcp.agents.search.passages import find
from astro_mcp.errors import LimitHit

TEXT = "A worker takes what the queue holds, and tells the others when it is done with that, as long as it lives. "
ARTICLE = f"""<!doctype html><html><head><title>t</title></head><body>
<div class="topNavigation"><a href="/a">Sections</a> <a href="/b">Weather</a></div>
<div id="page"><div class="column">
<div class="headline"><h1>The queue</h1></div><div class="byline">By Ann Example</div>
<div class="story"><p>{TEXT * 3}</p><h2>How it ends</h2><p>{TEXT}It is <a href="/end">described</a> elsewhere.</p>
<pre><code class="language-python">queue.end()
# not a heading</code></pre>
<table><tr><th>state</th><th>means</th></tr><tr><td>up</td><td>it works</td></tr></table>
<ul><li>first of two things</li><li>second of two things</li></ul>
<div class="RelatedStories"><p>{TEXT}Teaser.</p></div>
<figure><img src="/p.png" alt="a queue"><figcaption>Photo by somebody</figcaption></figure>
<p>{TEXT}The end.</p></div>
<div class="more"><ul><li><a href="/1">Read this next, too</a></li><li><a href="/2">And that one</a></li></ul></div>
<section id="comments"><p>{TEXT}I disagree.</p></section>
</div></div></body></html>"""


def article(source: str) -> Page:
    return read(source.encode(), "text/html; charset=utf-8", "https://site.example/x/", "article")


def test_an_article_without_landmarks_is_found_by_its_paragraphs() -> None:
    page = article(ARTICLE)
    table = "| up | it works |"
    page_text = " ".join(page.markdown.split())
    for kept in ("It is [described](https://site.example/end) elsewhere.", table, "- first of two things", "The end."):
        assert kept in page_text
    assert "```python\nqueue.end()\n# not a heading\n```" in page.markdown
    for gone in ("Sections", "Weather", "Teaser", "Photo by", "Read this next", "I disagree"):
        assert gone not in page.markdown
    assert [(one.text, page.markdown[one.start :].splitlines()[0]) for one in page.headings][-1] == (
        "How it ends",
        "## How it ends",
    )


def test_a_page_of_links_has_no_article_and_is_shown_whole() -> None:
    links = "".join(f"<li><a href='/{n}'>Entry number {n} of the list</a></li>" for n in range(40))
    page = article(f"<body><nav><a href=/>Start</a></nav><div><ul>{links}</ul></div><footer>Imprint</footer></body>")
    assert page.markdown.count("Entry number") == 40
    assert "Imprint" not in page.markdown
    assert "Start" not in page.markdown


def test_boxes_of_links_and_what_was_said_before_are_left_out_of_an_article() -> None:
    box = "<div><a href=/1>Another story that is told</a> <a href=/2>And one more of the kind</a></div>"
    page = article(
        f"<body><div><p>{TEXT * 3}</p>{box}<p>{TEXT}Once.</p><p>{TEXT}Once.</p><p>{TEXT}Last.</p></div></body>"
    )
    assert "Another story" not in page.markdown
    assert page.markdown.count("Once.") == 1
    assert "Last." in page.markdown


def test_a_class_that_reads_like_furniture_does_not_take_the_article_away() -> None:
    page = article(f"<body><div class='sidebar'>{f'<p>{TEXT}</p>' * 2}<p>{TEXT}Here.</p></div></body>")
    assert "Here." in page.markdown


def test_a_page_nested_deeper_than_the_parser_goes_is_read_all_the_same() -> None:
    assert TEXT.strip() in article("<div>" * 600 + f"<p>{TEXT}</p>").markdown
    with pytest.raises(LimitHit, match="too deep"):
        article("<div>" * 100_000 + f"<p>{TEXT}</p>")


@given(st.lists(st.sampled_from(["# a", "## b c", "```", "~~~~", "text", "", "#no", "###### x #", "    # y"])))
def test_a_headings_offset_is_the_start_of_its_line(lines: list[str]) -> None:
    text = "\n".join(lines)
    for one in headings(text):
        line = text[one.start :].split("\n", 1)[0]
        assert one.start == 0 or text[one.start - 1] == "\n"
        assert line.startswith("#" * one.level + " ")
        assert one.text in line


@given(
    st.lists(st.sampled_from(["<p>", "<h2>", "<li>", "worker ends ", "é🙂 ", "<pre>", "\n\n", "<td>", "&amp;", "<b>"]))
)
def test_a_passage_is_what_stands_at_its_offsets_of_the_pages_markdown(pieces: list[str]) -> None:
    page = article("<body>" + "".join(pieces))
    for one in find(page.markdown, "worker"):
        assert page.markdown[one.start : one.end] == one.text
