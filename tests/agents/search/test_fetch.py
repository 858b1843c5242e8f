"""web_fetch, from real servers on loopback through the whole call path."""

from __future__ import annotations

import gzip
import hashlib
from functools import partial

import anyio
import pytest
from tests.agents.search.conftest import Ask
from tests.net.web_site import Site, answer, redirect
from tests.quickest import ATTEMPTS, with_pauses

from astro_mcp.agents.search.leaving import linked
from astro_mcp.agents.search.models import FetchOutput
from astro_mcp.core.authority import Label
from astro_mcp.core.call import Result

HTML = "text/html; charset=utf-8"
PAGE = """<!doctype html><html><head><title>Guide &amp; more</title><style>p{color:red}</style></head><body>
<header><a href="/">Home of the site</a></header><nav>Menu <a href="/a">A</a></nav>
<main><header><h1>The guide</h1></header><p>Read <a href="more?x=1">more</a> about hooks.</p>
<pre><code class="language-python"># not a heading
x = 1</code></pre><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<h2>Second part</h2><p>A hook is called when a worker starts.</p></main>
<aside>Advertisement</aside><footer>Imprint</footer><script>track("<p title='")</script></body></html>"""


async def fetch(ask: Ask, site: Site, path: str = "/page", **arguments: object) -> Result:
    return await ask("web_fetch", url=f"http://site.example:{site.port}{path}", **arguments)


async def page(ask: Ask, site: Site, path: str = "/page", **arguments: object) -> FetchOutput:
    value = (await fetch(ask, site, path, **arguments)).unwrap()
    assert isinstance(value, FetchOutput)
    return value


async def test_an_article_comes_as_markdown_without_what_stands_around_it(ask: Ask, site: Site) -> None:
    site.replies["/old"] = redirect("/page")
    site.replies["/page"] = answer(gzip.compress(PAGE.encode()), content_type=HTML, content_encoding="gzip")
    got = await page(ask, site, "/old")
    assert got.url_final == f"http://site.example:{site.port}/page"
    assert got.title == "Guide & more"
    assert got.sha256 == hashlib.sha256(PAGE.encode()).hexdigest()
    assert [(heading.level, heading.text) for heading in got.headings] == [(1, "The guide"), (2, "Second part")]
    assert f"Read [more](http://site.example:{site.port}/more?x=1) about hooks." in got.markdown
    assert "```python\n# not a heading\nx = 1\n```" in got.markdown
    assert "| 1 | 2 |" in got.markdown
    for left_out in ("Home of the site", "Menu", "Advertisement", "Imprint", "track", "color"):
        assert left_out not in got.markdown
    assert not got.truncated
    for part in (got.title, got.url_final, got.sha256, got.markdown):
        assert part in got.text()


NUMBERED = """<table class="highlighttable"><tr><td class="linenos"><pre>1
2</pre></td><td class="code"><div><pre>if x:
    y()</pre></div></td></tr></table>"""
DATA = """<table><tr><th>Option</th><th>Meaning</th></tr>
<tr><td>a</td><td>What it does, and why. <pre>x
y</pre></td></tr></table>"""


@pytest.mark.parametrize("mode", ["full", "article"], ids=["all", "its article"])
async def test_code_in_a_table_keeps_its_lines_and_a_table_of_data_its_cells(ask: Ask, site: Site, mode: str) -> None:
    nested = f"<table><tr><td>{NUMBERED}</td></tr></table>"
    for path, code in (("/one", NUMBERED), ("/two", nested)):
        site.replies[path] = answer(PAGE.replace("<h2>", f"{code}<h2>").encode(), content_type=HTML)
        assert "```\nif x:\n    y()\n```" in (await page(ask, site, path, mode=mode)).markdown
    site.replies["/data"] = answer(PAGE.replace("<h2>", f"{DATA}<h2>").encode(), content_type=HTML)
    assert "| a " in (await page(ask, site, "/data", mode=mode)).markdown


async def test_a_page_with_code_in_a_table_may_be_as_deep_as_any(ask: Ask, site: Site) -> None:
    body = f"<p>seen</p>{NUMBERED}{'<div>' * 400}deep"
    site.replies["/page"] = answer(body.encode(), content_type=HTML)
    assert "deep" in (await page(ask, site, mode="full")).markdown


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<div id="root"></div><script src="/app.js"></script>', "the text comes by scripts"),
        ('<form><h1>Sign in</h1><label>Name<input></label></form><script src="/app.js"></script>', "mode full gives"),
        ("", "nothing found: the page has no text"),
    ],
)
async def test_a_page_without_text_says_why_as_far_as_that_is_known(ask: Ask, site: Site, body: str, told: str) -> None:
    site.replies["/page"] = answer(f"<html><title>App</title><body>{body}</body></html>".encode(), content_type=HTML)
    assert told in (await page(ask, site)).text()


@pytest.mark.parametrize("find", ["", "hooks"])
async def test_a_page_that_sends_its_readers_on_says_where(ask: Ask, site: Site, find: str) -> None:
    refresh = '<meta content="0; URL=stable/?a=1&amp;b=2" http-equiv="Refresh"><script>location = 1</script>'
    site.replies["/docs/"] = answer(f"<html><head>{refresh}</head><body></body></html>".encode(), content_type=HTML)
    value = await page(ask, site, "/docs/", find=find)
    address = f"http://site.example:{site.port}/docs/stable/?a=1&b=2"
    assert f"\n<{address}>" in value.text()
    assert address in linked(value), "the session may go there"


async def test_where_nothing_is_found_the_sections_are_told(ask: Ask, site: Site) -> None:
    site.replies["/page"] = answer(PAGE.encode(), content_type=HTML)
    value = await page(ask, site, find="zebra")
    assert value.text().endswith("nothing found: no passage has a word of that; its sections: The guide · Second part")


async def test_full_keeps_menus_and_raw_is_the_source(ask: Ask, site: Site) -> None:
    site.replies["/page"] = answer(PAGE.encode(), content_type=HTML)
    full = await page(ask, site, mode="full")
    assert "Menu" in full.markdown
    assert "Imprint" in full.markdown
    assert "track" not in full.markdown
    assert (await page(ask, site, mode="raw")).markdown == PAGE


async def test_a_result_is_untrusted_and_names_where_it_came_from(ask: Ask, site: Site) -> None:
    site.replies["/old"] = redirect("/page")
    site.replies["/page"] = answer(PAGE.encode(), content_type=HTML)
    result = await fetch(ask, site, "/old")
    assert result.labels == {Label.UNTRUSTED}
    assert result.sources == (f"http://site.example:{site.port}/page",)


async def test_a_found_passage_stands_at_its_offsets(ask: Ask, site: Site) -> None:
    filler = "".join(f"<p>Paragraph {number} about nothing in particular, in many words.</p>" for number in range(200))
    body = PAGE.replace("<h2>", filler + "<h2>")
    site.replies["/page"] = answer(body.encode(), content_type=HTML)
    whole = (await page(ask, site)).markdown
    got = await page(ask, site, find="when are hooks called")
    assert got.markdown == ""
    assert 1 <= len(got.passages) <= 8
    assert "A hook is called when a worker starts." in got.passages[0].text
    for passage in got.passages:
        assert whole[passage.start : passage.end] == passage.text
        assert passage.text in got.text()
    nothing = await page(ask, site, find="zebra")
    assert nothing.passages == []
    assert "nothing found" in nothing.text()


async def test_max_tokens_cuts_at_a_paragraphs_end_and_says_so(ask: Ask, site: Site) -> None:
    body = "\n\n".join(f"Paragraph {number} ends with a full stop." for number in range(500))
    site.replies["/page"] = answer(body.encode(), content_type="text/plain")
    got = await page(ask, site, max_tokens=300)
    assert got.truncated
    assert got.characters == len(body)
    assert len(got.markdown.encode()) <= 1200
    assert got.markdown.endswith("full stop.\n")
    assert body.startswith(got.markdown)
    assert "cut at max_tokens" in got.text()


@pytest.mark.parametrize(
    "mime",
    [
        "application/json", "text/plain", "text/markdown", "application/ld+json", "text/x-c",
        "application/x-javascript", "application/x-yaml", "application/octet-stream", "*/*",
    ],
)  # fmt: skip
async def test_text_that_is_no_page_comes_as_it_is(ask: Ask, site: Site, mime: str) -> None:
    body = '{"a": [1, 2], "b": "<p hidden>é</p>"}\n'
    site.replies["/page"] = answer(body.encode(), content_type=mime)
    assert (await page(ask, site)).markdown == body


@pytest.mark.parametrize("mime", ["image/png", "application/octet-stream", "application/zip", "*/*"])
@pytest.mark.parametrize("body", [b"PK\x03\x04\0", b"PK\xff\xfe"], ids=["a null", "no UTF-8"])
async def test_what_is_not_text_is_refused_with_a_way_on(ask: Ask, site: Site, mime: str, body: bytes) -> None:
    site.replies["/page"] = answer(body, content_type=mime)
    error = (await fetch(ask, site)).error
    assert error is not None
    assert error.code == "unsupported"
    assert mime in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Grüße €".encode("windows-1252"), "text/plain; charset=iso-8859-1"),
        ("Grüße €".encode("utf-16"), "text/plain"),
        (b"\xef\xbb\xbf" + "Grüße €".encode(), "text/plain; charset=ascii"),
        (b'<meta charset="windows-1252"><p>' + "Grüße €".encode("windows-1252"), "text/html"),
        ("<p>Grüße €".encode(), "text/html; charset=nonsense"),
        ("<html><p>Grüße €".encode(), ""),
        ("<html><p hidden>x</p><p>Grüße €".encode(), "application/octet-stream"),
    ],
    ids=["header", "byte order mark", "mark before header", "meta", "unknown", "nothing told", "bytes"],
)
async def test_a_page_is_read_in_its_own_charset(ask: Ask, site: Site, body: bytes, content_type: str) -> None:
    site.replies["/page"] = answer(body, content_type=content_type)
    assert (await page(ask, site, mode="full")).markdown.strip() == "Grüße €"


@pytest.mark.parametrize(
    ("text", "codec", "label"),
    [
        ("朱镕基的著作", "gbk", "gb2312"),
        ("똠방각하", "cp949", "euc-kr"),
        ("한국어 문서", "cp949", "ks_c_5601-1987"),
        ("①髙島屋", "cp932", "Shift_JIS"),
        ("①髙島屋", "cp932", "windows-31j"),
        ("邨裏", "big5hkscs", "big5"),
        ("“Türkçe”", "cp1254", "iso-8859-9"),
        ("“ก”", "cp874", "tis-620"),
        ("“ก”", "cp874", "windows-874"),
    ],
)
async def test_a_label_means_what_browsers_take_it_for(ask: Ask, site: Site, text: str, codec: str, label: str) -> None:
    site.replies["/page"] = answer(text.encode(codec), content_type=f"text/plain; charset={label}")
    assert (await page(ask, site)).markdown == text


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        ("404 Not Found", "not_found", False),
        ("410 Gone", "not_found", False),
        ("403 Forbidden", "provider_failed", False),
        ("503 Unavailable", "provider_failed", True),
        ("304 Not Modified", "provider_failed", False),
        ("429 Too Many Requests", "rate_limited", True),
    ],
)
async def test_a_status_that_is_no_page_is_a_typed_error(
    ask: Ask, site: Site, status: str, code: str, retryable: bool
) -> None:
    site.replies["/page"] = answer(b"", status, retry_after="7")
    error = (await fetch(ask, site)).error
    assert error is not None
    assert (error.code, error.retryable) == (code, retryable)
    assert error.retry_after_ms == (7000 if code == "rate_limited" else None)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "forbidden"),
        ("http://[::1]/", "forbidden"),
        ("http://10.0.0.1:8080/", "forbidden"),
        ("file:///etc/passwd", "invalid_input"),
        ("http://0x7f.1/", "invalid_input"),
    ],
)
async def test_an_address_that_is_not_public_is_a_typed_error(ask: Ask, url: str, code: str) -> None:
    error = (await ask("web_fetch", url=url)).error
    assert error is not None
    assert error.code == code
    assert error.hint or code == "invalid_input"


@pytest.mark.alone
async def test_the_loop_goes_on_while_a_large_page_is_read(ask: Ask, site: Site) -> None:
    body = ("<p style='color:red'>" + "word " * 40 + "<b>x</b></p>") * 3_000
    site.replies["/page"] = answer(body.encode(), content_type=HTML)
    shares: list[float] = []
    while min(shares, default=1) >= 0.5 and len(shares) < ATTEMPTS:  # a pause of the machine meets one of them
        began = anyio.current_time()
        got, longest = await with_pauses(partial(page, ask, site))
        shares.append(longest / (anyio.current_time() - began))
        assert got.characters > 600_000
    assert min(shares) < 0.5
