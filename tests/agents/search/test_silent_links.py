"""Links and pictures without words say nothing, and are left out; those with words stay."""

from __future__ import annotations

import pytest
from lxml.html import fromstring
from tests.quickest import computed

from astro_mcp.agents.search.conversion import _with_words
from astro_mcp.agents.search.markup import mark
from astro_mcp.agents.search.models import Mode
from astro_mcp.agents.search.page import read


def markdown(body: str, mode: Mode = "article") -> str:
    return read(body.encode(), "text/html; charset=utf-8", "https://site.example/x/", mode).markdown


@pytest.mark.parametrize(
    "link",
    [
        '<a class="headerlink" href="#a" title="Permalink">¶</a>',
        '<a class="headerlink" href="#a" title="Permanent link">&para;</a>',
        '<a class="doc-anchor" href="#a">§</a>',
        '<a class="anchor" href="#a" aria-label="Permalink"><svg viewBox="0 0 16 16"><path d="m7"></path></svg></a>',
        '<a class="anchor" href="#a"><span class="octicon octicon-link"></span></a>',
        '<a class="header-anchor" href="#a">\u200b</a>',
        '<a class="hash-link" href="#a" title="Direct link">&#8203;</a>',
        '<a class="headerlink" href="#a" title="Link to this heading">\uf0c1</a>',
        '<a href=""> </a>',
        '<a href="/x">\n</a>',
    ],
)
@pytest.mark.parametrize("mode", ["article", "full"])
def test_a_link_of_a_sign_beside_a_heading_is_left_out(link: str, mode: Mode) -> None:
    assert markdown(f"<h2>Title{link}</h2><p>text", mode) == "## Title\n\ntext\n"
    assert markdown(f"<h2>{link}Title</h2><p>text", mode) == "## Title\n\ntext\n"


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ('<a href="#a">Title</a>', "[Title](https://site.example/x/#a)"),
        ('<a href="#a">¶ 4</a>', "[¶ 4](https://site.example/x/#a)"),
        ('<a href="/y">§</a>', "[§](https://site.example/y)"),
        ('<a href="#a"><i>x</i></a>', "[*x*](https://site.example/x/#a)"),
        ('<a href="#fnref1">↩</a>', "[↩](https://site.example/x/#fnref1)"),
        ('<a href="/y" aria-label="Follow us"></a>', "[Follow us](https://site.example/y)"),
        (
            '<a href="/y"><img src="/i.png" alt="Logo"></a>',
            "[![Logo](https://site.example/i.png)](https://site.example/y)",
        ),
        ('<a href="/y"><img src="/i.png"> more</a>', "[more](https://site.example/y)"),
        ('<img src="/i.png" title="A queue">', '![](https://site.example/i.png "A queue")'),
    ],
)
def test_a_link_or_picture_with_words_stays(link: str, kept: str) -> None:
    assert markdown(f"<p>text {link}") == f"text {kept}\n"


@pytest.mark.parametrize(
    "picture", ['<img src="/i.png">', '<img src="/i.png" alt="">', '<a href="/y"><img src="/i.png" alt=" "></a>']
)
def test_a_picture_without_words_is_no_part_of_an_article(picture: str) -> None:
    assert markdown(f"<p>text {picture}</p>{picture}") == "text\n"
    assert "/i.png" in markdown(f"<p>text {picture}", "full")


@pytest.mark.parametrize("piece", ["<a href=#><i>", "<a href=#>" + "¶ " * 20, "<a href=x> &nbsp;", "<a href=#><i "])
@pytest.mark.alone
def test_signs_that_no_link_ends_cost_linear_time(piece: str) -> None:
    pages = [piece * (500_000 // len(piece)), "<a href=#>" + piece[10:] * (500_000 // len(piece))]
    computed(3, lambda: [mark(page) for page in pages])


@pytest.mark.alone
def test_links_in_each_other_are_not_looked_through_at_each_level() -> None:
    tree = fromstring("<div>" + "<a href=/x><img src=x><div>" * 100 + "<b> </b>" * 30_000 + "</div>")
    computed(2, lambda: _with_words(tree))


@pytest.mark.parametrize(
    "heading",
    [
        '\n<b><a class="header" href="#the-loop">The <code>[T]</code> loop</a></b> ',
        'The <a href="/#loop"><code>[T]</code></a> loop',
        'The <code><a href="/slice" title="A slice">[T]</a></code> loop',
    ],
)
def test_headings_are_told_without_addresses(heading: str) -> None:
    page = read(f"<h2>{heading}</h2><p>text".encode(), "text/html", "https://site.example/x/", "article")
    assert [one.text.replace("`", "").strip("*") for one in page.headings] == ["The [T] loop"]
    assert "#the-loop" not in page.markdown
