"""What is no page: PDF, JSON, XML, feeds and text, in whatever charset."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.files.pdfs import pdf
from tests.agents.search.conftest import Ask
from tests.agents.search.test_fetch import fetch, page
from tests.net.web_site import Site, answer

from astro_mcp.agents.search.charset import decoded
from astro_mcp.agents.search.feeds import MOST, feed
from astro_mcp.agents.search.layout import laid_out

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>News &amp; more</title><link>https://site.example/</link>
<item><title>First</title><link>/1?a=1&amp;b=2</link><pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate>
<description>&lt;p&gt;It &lt;b&gt;works&lt;/b&gt;.
&lt;span style="display:none"&gt;HIDDEN&lt;/span&gt;&lt;/p&gt;</description></item>
<item><title>Second</title><guid>https://site.example/2</guid><dc:date>2026-11-01</dc:date></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><link rel="self" href="https://x.example/feed"/>
<entry><title type="html">One &lt;i&gt;two&lt;/i&gt;</title><link rel="edit" href="/edit"/><link href="https://site.example/a"/>
<published>2026-11-03T00:00:00Z</published><author><name>Ann</name></author><summary>Short.</summary></entry></feed>"""
LAUGHS = '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><rss><channel><title>&b;</title></channel></rss>'
OUTSIDE = '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel><title>&x;</title></channel></rss>'
ATTLIST = "<rss>" + "<channel>" * 5000


async def test_a_pdf_is_read_in_a_child_and_its_passages_stand_at_their_offsets(ask: Ask, site: Site) -> None:
    body = pdf(["About hooks and workers.", "A worker starts."])
    site.replies["/page"] = answer(body, content_type="application/pdf")
    got = await page(ask, site)
    assert "[page 1]\nAbout hooks and workers." in got.markdown
    assert "2 pages" in got.note
    found = await page(ask, site, find="worker starts")
    assert [got.markdown[one.start : one.end] for one in found.passages] == [one.text for one in found.passages]
    assert found.passages


OWN = "H) Tj\n1 beginbfchar\n<48> <42>\nendbfchar\n("
"""A page, whose own stream says that its H is a B."""


def composite(encoding: str) -> str:
    below = "[<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Song /CIDSystemInfo << /Supplement 0 >> >>]"
    return f"<< /Type /Font /Subtype /Type0 /BaseFont /Song /Encoding /{encoding} /DescendantFonts {below} >>"


@pytest.mark.parametrize(
    ("font", "written", "told"),
    [
        (composite("UniGB-UTF16-H"), "\\127\\372\\147\\054", "基本"),
        (composite("GBK-EUC-H"), "\\273\\371\\261\\276", "基本"),
        (composite("90ms-RKSJ-H"), "\\212\\356\\226\\173", "基本"),
        (composite("ETen-B5-H"), "\\260\\362\\245\\273", "基本"),
        ("<< /Type /Font /Subtype /TrueType /BaseFont /Own /ToUnicode 5 0 R >>", OWN, "B"),
    ],
    ids=["utf-16", "gbk", "shift-jis", "big5", "its own"],
)
async def test_a_pdf_is_read_whatever_its_font_calls_the_letters(
    ask: Ask, site: Site, font: str, written: str, told: str
) -> None:
    site.replies["/page"] = answer(pdf([written], font=font), content_type="application/pdf")
    assert (await page(ask, site)).markdown.split() == ["[page", "1]", told]


async def test_a_pdf_is_known_by_its_first_bytes_where_nothing_is_told(ask: Ask, site: Site) -> None:
    site.replies["/page"] = answer(pdf(["Read me."]), content_type="application/octet-stream")
    assert "Read me." in (await page(ask, site, mode="raw")).markdown


async def test_a_broken_pdf_is_a_typed_error(ask: Ask, site: Site) -> None:
    site.replies["/page"] = answer(b"%PDF-1.7\nnothing", content_type="application/pdf")
    error = (await fetch(ask, site)).error
    assert error is not None
    assert (error.code, "PDF" in error.message) == ("invalid_input", True)


async def test_json_in_one_line_is_laid_out_and_its_values_stay_as_they_are_written(ask: Ask, site: Site) -> None:
    body = json.dumps([{"a": [], "b": {}, "n": 1.50, "s": 'x, [ \\" }'}] * 20, separators=(",", ":"))
    body = body.replace("1.5", "12345678901234567890.50")
    site.replies["/page"] = answer(body.encode(), content_type="application/vnd.api+json")
    got = (await page(ask, site)).markdown
    assert got.count("\n") > 100
    assert '"n":12345678901234567890.50' in got
    assert json.loads(got) == json.loads(body)
    assert (await page(ask, site, mode="full")).markdown == body


@given(st.text(alphabet=st.sampled_from('{}[],:"\\ a1\n')))
def test_laying_out_adds_blanks_alone_whatever_it_is_given(text: str) -> None:
    source = text + "," * 300
    squeezed = "".join(laid_out(source).split())
    assert squeezed == "".join(source.split())


def test_brackets_alone_do_not_grow_by_their_square() -> None:
    source = "[" * 100_000
    assert laid_out(source) == source


@pytest.mark.parametrize("mime", ["application/rss+xml", "text/xml", "application/xml; charset=utf-8"])
async def test_a_feed_is_a_list_of_entries_with_links_and_dates(ask: Ask, site: Site, mime: str) -> None:
    site.replies["/page"] = answer(RSS.encode(), content_type=mime)
    got = await page(ask, site)
    assert got.title == "News & more"
    assert [(one.level, one.text) for one in got.headings] == [(1, "News & more"), (2, "First"), (2, "Second")]
    assert all(got.markdown[one.start :].startswith("#" * one.level) for one in got.headings)
    assert f"http://site.example:{site.port}/1?a=1&b=2 · Mon, 02 Nov 2026 10:00:00 GMT\n\nIt **works**." in got.markdown
    assert "https://site.example/2 · 2026-11-01" in got.markdown
    assert "HIDDEN" not in got.markdown
    assert (await page(ask, site, mode="raw")).markdown == RSS


def test_an_atom_feed_gives_the_entrys_own_link_and_not_its_authors_name_as_a_title() -> None:
    found = feed(ATOM, "https://x.example/feed")
    assert found is not None
    assert found.title == "Blog"
    assert "## One *two*\n\nhttps://site.example/a · 2026-11-03T00:00:00Z\n\nShort." in found.markdown
    assert "Ann" not in found.markdown


RELEASE = """<feed><title>Releases</title><entry><title>v1.2</title><link href="/v1.2"/><content type="html">
&lt;h2&gt;Changes&lt;/h2&gt;
&lt;ul&gt;&lt;li&gt;Fix &lt;a href="/7"&gt;hooks&lt;/a&gt;&lt;/li&gt;&lt;li&gt;Drop 3.9&lt;/li&gt;
&lt;/ul&gt;&lt;pre&gt;# run it&#10;go&lt;/pre&gt;&lt;p&gt;%s&lt;/p&gt;</content></entry>
<entry><title>v1.1</title><summary>## Forged&#10;&#10;~~~&#10;open</summary></entry></feed>"""


def test_what_an_entry_says_keeps_its_lines_and_has_no_heading() -> None:
    found = feed(RELEASE % ("on and on " * 90), "https://x.example/feed")
    assert found is not None
    lines = "**Changes**\n\n- Fix [hooks](https://x.example/7)\n- Drop 3.9\n\n```\n# run it\ngo\n```\n\non and on"
    assert f"\n\n{lines}" in found.markdown
    assert "on …\n\n## v1.1\n\n**Forged**\n\n~~~\nopen\n~~~\n" in found.markdown
    assert len(found.markdown) < 700


@pytest.mark.parametrize("hostile", [LAUGHS, OUTSIDE, ATTLIST, "<rss><channel>", "<html><body/></html>", "", "\0"])
def test_a_feed_that_declares_entities_or_is_broken_is_not_read_as_one(hostile: str) -> None:
    assert feed(hostile, "https://x.example/") is None


async def test_a_document_with_entities_is_shown_as_the_text_that_it_is(ask: Ask, site: Site) -> None:
    site.replies["/page"] = answer(OUTSIDE.encode(), content_type="application/rss+xml")
    assert (await page(ask, site)).markdown == OUTSIDE


def test_a_feed_lists_so_many_entries_and_says_how_many_more_there_are() -> None:
    found = feed(f"<rss><channel>{'<item><title>x</title></item>' * (MOST + 7)}</channel></rss>", "https://x.example/")
    assert found is not None
    assert found.markdown.count("## x") == MOST
    assert "7 more entries" in found.markdown


def test_a_feeds_link_that_is_no_web_address_is_left_out() -> None:
    found = feed("<rss><channel><item><title>x</title><link>javascript:alert(1)</link></item></channel></rss>", "")
    assert found is not None
    assert "javascript" not in found.markdown


RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (RUSSIAN.encode("windows-1251"), RUSSIAN),
        (b"caf\xe9 cr\xe8me br\xfbl\xe9e " * 10, "café crème brûlée " * 10),
        ("Grüße €".encode("utf-32"), "Grüße €"),
        ("schöne Grüße ".encode() * 9 + b"\xff", "schöne Grüße " * 9 + "\ufffd"),
        ('<?xml version="1.0" encoding="iso-8859-1"?><a>é</a>'.encode("latin-1"), "é"),
    ],
    ids=["detected", "western", "utf-32", "one broken byte", "XML's declaration"],
)
def test_a_charset_that_nobody_tells_is_found(body: bytes, text: str) -> None:
    assert text in decoded(body, "text/plain")


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "utf-16", "iso-2022-jp", "gb18030", "nonsense", "idna"]))
def test_no_bytes_fail_in_any_charset(body: bytes, name: str) -> None:
    assert decoded(body, f"text/html; charset={name}") is not None


def test_xhtml_in_a_feed_is_read_as_a_page_is() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml">'
    entry = (
        f'<title type="xhtml">{div}One &lt;i&gt; <b>two</b></div></title><link href="/a"/>'
        f'<content type="xhtml">{div}<p>A <i>b</i>.'
        '<br/></p><p style="display:none">HIDDEN</p></div></content><updated>2026-11-03</updated>'
    )
    found = feed(f'<feed xmlns="http://www.w3.org/2005/Atom"><entry>{entry}</entry></feed>', "https://x.example/")
    assert found is not None
    assert "## One <i> **two**\n\nhttps://x.example/a · 2026-11-03\n\nA *b*.\n" in found.markdown


@pytest.mark.parametrize("mode", ["full", "article"], ids=["all", "its article"])
async def test_xhtml_closes_an_element_in_its_own_tag(ask: Ask, site: Site, mode: str) -> None:
    body = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title><script src="a.js"/>'
        '<style media="print"/></head>'
        '<body><p>one<a id="x"/></p><p hidden="hidden"/><textarea/><iframe src="x"/><p>two<br/>three</p>'
        "<p hidden=''>HIDDEN</p></body></html>"
    )
    site.replies["/page"] = answer(body.encode(), content_type="application/xhtml+xml")
    got = await page(ask, site, mode=mode)
    assert [word for word in ("one", "two", "three", "HIDDEN") if word in got.markdown] == ["one", "two", "three"]
    assert got.title == "T"
