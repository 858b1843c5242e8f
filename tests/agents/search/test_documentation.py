"""Pages as generators of documentation and encyclopedias write them: an article keeps what their readers look for."""

from __future__ import annotations

import pytest

from astro_mcp.agents.search.models import Mode
from astro_mcp.agents.search.page import read

TEXT = "A worker takes what the queue holds, and tells the others when it is done with that, as long as it lives."


def article(body: str) -> str:
    source = f"<!doctype html><body><main><h1>Guide</h1><p>{TEXT} {TEXT} {TEXT}</p>{body}</main>"
    return read(source.encode(), "text/html; charset=utf-8", "https://site.example/", "article").markdown


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ("<ul><li><p>first</p></li><li><p>second</p></li></ul>", "- first\n\n- second\n"),
        ("<dl><dt>Returns:</dt><dd><p>a value</p></dd></dl>", "Returns:\n\na value\n"),
        ("<table><tr><th>A<th><p>B<tr><td>1<td><p>2</table>", "| A | B |\n| --- | --- |\n| 1 | 2 |\n"),
    ],
)
def test_short_paragraphs_in_the_last_list_or_table_stay(body: str, end: str) -> None:
    assert article(body).endswith(f"{TEXT}\n\n{end}")


@pytest.mark.parametrize("section", ["section", 'div class="section"'])
@pytest.mark.parametrize("name", ["tools", "next-steps", "download"])
def test_a_section_is_not_ruled_out_by_the_id_that_its_heading_gave_it(section: str, name: str) -> None:
    end = section.split(maxsplit=1)[0]
    inner = f'<{section} id="{name}"><span id="x"></span><h3>How</h3><p>{TEXT} Here.</p></{end}>'
    assert "Here." in article(f'<{section} id="guide"><h2>Guide</h2><p>{TEXT}</p>{inner}</{end}>')


def test_comments_below_an_article_are_no_section_of_it() -> None:
    comments = f'<section id="comments"><h2>Comments</h2><p>{TEXT} Here.</p></section>'
    assert "Here." not in article(f'<section class="post" id="p"><h2>Guide</h2><p>{TEXT}</p>{comments}</section>')


@pytest.mark.parametrize(
    "classes",
    [
        "theme-admonition theme-admonition-note alert alert--secondary", "markdown-alert markdown-alert-note",
        "admonition note alert", "callout alert",
        "alert alert-note", "alert alert-warning",
    ],
)  # fmt: skip
def test_notes_and_warnings_of_documentation_stay(classes: str) -> None:
    title = '<p class="alert-title">Note</p>'
    assert "Note\n\nTake care." in article(f'<div class="{classes}">{title}<p>Take care.</p></div><p>{TEXT}</p>')
    assert "Take care." not in article(f'<div class="alert"><p>Note</p><p>Take care.</p></div><p>{TEXT}</p>')


REPEATED = "The caller sees to it that the length is at most the capacity, and that all of it was set before."


@pytest.mark.parametrize("begin", ["<h3>{}</h3>", '<dl><dt id="q.{}">q.{}()</dt><dd>', "<h3>{}</h3><ul><li>"])
def test_what_two_functions_have_in_common_is_told_of_both(begin: str) -> None:
    said = "".join(f"{begin.replace('{}', name)}<p>{REPEATED}</p></dl></ul>" for name in ("first", "second"))
    assert article(said).count(REPEATED) == 2
    assert article(f"<p>{REPEATED}</p><p>{REPEATED}</p><p>{TEXT} So.</p>").count(REPEATED) == 1


@pytest.mark.parametrize("name", ["set_cookie", "get_next", "share", "print_tags"])
def test_a_signature_is_not_ruled_out_by_the_name_of_its_function(name: str) -> None:
    term = f'<dt class="sig sig-object py" id="web.Response-{name}">{name}(key: str)</dt>'
    assert f"{name}(key: str)\n\n{TEXT}" in article(f'<dl class="py method">{term}<dd><p>{TEXT} Here.</p></dd></dl>')


def test_a_signature_of_links_stays_and_so_does_what_it_asks_for() -> None:
    where = '<div class="where">where <a href="/t">T</a>: <a href="/sized">SizedAndMore</a></div>'
    heading = f'<h4>fn <a href="/new">new_with</a>() -> <a href="/vec">VecOfThings</a>{where}</h4>'
    markdown = article(f'<section id="m"><a href="/src">Source</a>{heading}</section><p>{TEXT} Here.</p>')
    assert "[new_with](https://site.example/new)() -> [VecOfThings]" in markdown
    assert "where [T](https://site.example/t): [SizedAndMore]" in markdown
    box = '<section><h4><a href="/other">Other pages that readers of this one liked</a></h4></section>'
    assert "Other pages" not in article(f"{box}<p>{TEXT} Here.</p>")


def test_a_list_of_links_that_a_sentence_announces_stays() -> None:
    links = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in ("Vec", "HashMap", "BTreeMap"))
    assert "[HashMap]" in article(
        f"<p>What holds several values is one of these types:</p><ul>{links}</ul><p>{TEXT} So.</p>"
    )
    assert "[HashMap]" not in article(f"<p>Related:</p><ul>{links}</ul><p>{TEXT} So.</p>")


FORMULA = """<span class="mwe-math-element"><span class="mwe-math-mathml-inline" style="display: none;">
<math alttext="{\\displaystyle E=mc^{2}}"><mi>E</mi><mo>=</mo><mi>m</mi></math></span><img src="/e.svg"
alt="{\\displaystyle E=mc^{2}}" class="mwe-math-fallback-image-inline" aria-hidden="true"
style="vertical-align: -0.3ex; width:8.9ex; height:2.6ex;"></span>"""


def test_the_formulas_of_an_encyclopedia_are_told() -> None:
    markdown = article(f"<p>{TEXT} It is {FORMULA} so.</p>")
    assert r"It is ![{\displaystyle E=mc^{2}}](https://site.example/e.svg) so." in markdown


@pytest.mark.parametrize("mode", ["article", "full"])
@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("<msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt>", "√(x+1)"),
        ("<msub><mi>a</mi><mrow><mi>i</mi><mi>j</mi></mrow></msub><msub> <mi>b</mi> <mn>0</mn> </msub>", "a_(ij)b_0"),
        ("<munderover><mo>∑</mo><mn>0</mn><mi>n</mi></munderover><msqrt>2</msqrt>", "∑_0^n√(2)"),
        ("<msup><msub><mi>x</mi><mi>i</mi></msub><mn>2</mn></msup>", "(x_i)^2"),
        ("<mtable><mtr><mtd>a</mtd><mtd>b</mtd></mtr><mtr><mtd>c</mtd><mtd>d</mtd></mtr></mtable>", "a,b;c,d"),
    ],
)
def test_a_formula_is_told_by_signs_and_without_what_nobody_sees(formula: str, told: str, mode: Mode) -> None:
    math = f"<math><semantics><mrow>{formula}</mrow><annotation>HIDDEN</annotation></semantics></math>"
    page = read(f"<body><p>{TEXT} It is {math} so.".encode(), "text/html; charset=utf-8", "https://site.example/", mode)
    assert f"It is {told} so." in page.markdown.replace("\\", "")
    assert "HIDDEN" not in page.markdown


def test_a_summary_stays_above_what_it_opens() -> None:
    assert article("<details><summary>More about it</summary><p>The inner text.</p></details>").endswith(
        "**More about it**\n\nThe inner text.\n"
    )
    assert "Share" not in article("<details><summary>Share</summary></details>")


def test_links_to_edit_a_section_are_no_part_of_an_article() -> None:
    edit = '<span class="mw-editsection"><span>[</span><a href="/w/edit" title="Edit">edit</a><span>]</span></span>'
    heading = f'<div class="mw-heading mw-heading2"><h2 id="H">History</h2>{edit}</div>'
    assert f"## History\n\n{TEXT}" in article(f"{heading}<p>{TEXT} Here.</p>")


def test_an_example_of_rustdoc_is_told_once() -> None:
    link = '<a class="test-arrow" title="Run code" href="https://play.site.example/?code=let+a+%3D+1%3B">Run</a>'
    code = f'<pre class="rust rust-example-rendered"><code>let a = 1;</code></pre>{link}'
    markdown = article(
        f'<div class="docblock"><p>{TEXT}</p><div class="example-wrap">{code}</div><p>{TEXT} So.</p></div>'
    )
    assert f"```rust\nlet a = 1;\n```\n\n{TEXT} So." in markdown


@pytest.mark.parametrize("mode", ["article", "full"])
@pytest.mark.parametrize(
    ("base", "place"),
    [
        ('<base href="https://other.example/dir/">', "https://other.example/dir/"),
        ('<base target="_blank"><base href="/v2/docs/"><base href="/v1/">', "https://site.example/v2/docs/"),
        ('<base href="">', "https://site.example/x/"),
        ('<base href="//[">', "https://site.example/x/"),
    ],
)
def test_links_are_relative_to_the_base_that_a_page_names(base: str, place: str, mode: Mode) -> None:
    source = f'<!doctype html><head>{base}</head><body><main><p>{TEXT * 3} <a href="a">link</a></p></main>'
    page = read(source.encode(), "text/html", "https://site.example/x/", mode)
    assert f"[link]({place}a)" in page.markdown


@pytest.mark.parametrize("mode", ["article", "full"])
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("10<sup>6</sup> rows", "10^6 rows"),
        ("10<sup>&minus;9</sup> s", "10^\u22129 s"),
        ("<i>x</i><sup>n</sup> and", "*x*^n and"),
        ("the 5<sup>th</sup> of", "the 5th of"),
        ("H<sub>2</sub>O", "H2O"),
        ('text<sup><a href="#n">1</a></sup> more', "text[1](https://site.example/#n) more"),
        ("<sup>1</sup> A note", "1 A note"),
        ("10<sup class=a hidden>6</sup> rows", "10 rows"),
    ],
)
def test_a_power_is_told_from_a_number_that_goes_on(written: str, told: str, mode: Mode) -> None:
    page = read(f"<body><p>{TEXT} {written}</p>".encode(), "text/html", "https://site.example/", mode)
    assert page.markdown == f"{TEXT} {told}\n"


@pytest.mark.parametrize("mode", ["article", "full"])
@pytest.mark.parametrize(
    "code",
    [
        '<span class="linenos">1</span>a = 1\n<span class="linenos">2</span>b = 2\n',
        '<span><span class="ln">1</span>a = 1\n</span><span><span class="ln">2</span>b = 2</span>',
        '<span class="lineno"><a href="#l1"> 1 </a></span>a = 1\n<span class="lineno"> 2 </span>b = 2',
    ],
)
def test_the_numbers_of_lines_are_no_part_of_code(code: str, mode: Mode) -> None:
    body = f'<body><p>{TEXT}</p><pre><code>{code}</code></pre><p>{TEXT} <span class="ln">3</span></p>'
    page = read(body.encode(), "text/html", "https://site.example/", mode)
    assert page.markdown == f"{TEXT}\n\n```\na = 1\nb = 2\n```\n\n{TEXT} 3\n"


def test_short_paragraphs_with_code_stay_at_an_articles_end() -> None:
    assert article("<p>Do <code>pip install x</code></p>").endswith("Do `pip install x`\n")
    assert "Share" not in article("<p>Share <b>it</b></p>")


@pytest.mark.parametrize("mode", ["article", "full"], ids=str.title)
@pytest.mark.parametrize("around", ["<pre><code>{}</code></pre>", "<pre class=synopsis>{}</pre>"])
def test_links_in_code_are_no_part_of_it(around: str, mode: Mode) -> None:
    code = around.format('pub struct S(<a href="/vec">Vec</a>);')
    link = '<a href="/x"><code>S</code></a>'
    page = read(f"<body><p>{TEXT}</p>{code}<p>{TEXT} {link}</p>".encode(), "text/html", "https://site.example/", mode)
    assert page.markdown == f"{TEXT}\n\n```\npub struct S(Vec);\n```\n\n{TEXT} [`S`](https://site.example/x)\n"


def test_a_heading_that_opens_something_is_a_heading() -> None:
    method = '<section id="new"><h4>pub const fn <a href="#new">new</a>()</h4></section>'
    markdown = article(f"<details open><summary>{method}</summary><p>{TEXT} Here.</p></details>")
    assert f"\n#### pub const fn [new](https://site.example/#new)()\n\n{TEXT} Here." in markdown


@pytest.mark.parametrize(
    "notes", ['section class="footnotes"', 'div class="footnote-list"', 'section role="doc-endnotes"']
)
def test_notes_that_are_links_stay_below_their_article(notes: str) -> None:
    items = '<li id="fn1"><p>Ann, 1990.</p></li><li><p><a href="/long">https://site.example/long</a></p></li>'
    markdown = article(f"<{notes}><ol>{items}</ol></{notes.split(maxsplit=1)[0]}>")
    assert markdown.endswith("Ann, 1990.\n\n2. <https://site.example/long>\n")
    assert "/long" not in article(f"<div><ol>{items}</ol></div>")


PHP = (
    "<div><code><span>\n<b>&lt;?php<br />if&nbsp;(</b>1)&nbsp;{<br />&nbsp;&nbsp;echo&nbsp;<i hidden>HIDDEN</i>2;<br>}"
    "</span>\n</code></div>"
)
FIELD = "<div><textarea class='x-exampleCode code'>\nfunc main() {\n\trun(&lt;-c)\n}\n</textarea></div>"


@pytest.mark.parametrize("mode", ["article", "full"])
@pytest.mark.parametrize(
    ("body", "told"), [(PHP, "<?php\nif (1) {\n  echo 2;\n}"), (FIELD, "func main() {\n\trun(<-c)\n}")]
)
def test_code_whose_lines_end_in_breaks_or_that_can_be_tried_is_a_block(body: str, told: str, mode: Mode) -> None:
    source = f"<body><p>{'What it does. ' * 9}</p>{body}<p>{'What it gives. ' * 9}</p>"
    markdown = read(source.encode(), "text/html", "https://site.example/", mode).markdown
    assert f"```\n{told}\n```" in markdown
    assert "HIDDEN" not in markdown


@pytest.mark.parametrize("mode", ["article", "full"])
def test_the_same_code_in_two_languages_is_two_blocks(mode: Mode) -> None:
    pair = "<pre><input><code class='language-js mjs'>import fs;</code><code class='language-js cjs'>{}</code></pre>"
    lines = (
        "<pre><code class='a line'>one;</code>\n<code class='b line'>two;</code>, <code class=line>three;</code></pre>"
    )
    body = pair.format("require(fs);") + f"<p>{TEXT}</p>" + lines
    page = read(f"<body><p>{TEXT}</p>{body}<p>{TEXT}".encode(), "text/html", "https://site.example/", mode)
    assert "```js\nimport fs;\n```\n\n```js\nrequire(fs);\n```" in page.markdown
    assert "one;\ntwo;, three;\n```" in page.markdown


@pytest.mark.parametrize("mode", ["article", "full"])
def test_code_in_a_line_and_a_field_for_comments_are_no_blocks(mode: Mode) -> None:
    source = "<body><p>Say <code>one<br>two</code> here.</p><form><textarea>your\nwords</textarea></form>"
    assert "```" not in read(source.encode(), "text/html", "https://site.example/", mode).markdown
