"""What a page's style sheet hides from phones alone is read; what it hides from everybody is not."""

from __future__ import annotations

import pytest
from tests.quickest import computed

from astro_mcp.agents.search.page import read
from astro_mcp.agents.search.sheets import sheet_of


def shown(sheet: str, attributes: str) -> bool:
    body = f"<style>{sheet}</style><body><p>seen</p><p {attributes}>TEXT</p>"
    return "TEXT" in read(body.encode(), "text/html", "https://site.example/", "full").markdown


@pytest.mark.parametrize(
    ("sheet", "attributes"),
    [
        (r".hidden{display:none}@media (min-width:768px){.md\:block{display:block}}", 'class="hidden md:block"'),
        (r".hidden{display:none}@media (width >= 48rem){.md\:flex{display:flex}}", 'class="hidden md:flex"'),
        (r".hidden{display:none}.md\:flex{@media (width >= 48rem){display:flex}}", 'class="hidden md:flex"'),
        (r".hidden{display:none}@media (min-width:80em){.\32xl\:grid{display:grid}}", 'class="hidden 2xl:grid"'),
        ("@layer u{.hidden{display:none}@media (min-width:40rem){.b{display:block}}}", 'class="hidden b"'),
        (".v{visibility:hidden}@media only screen and (min-width:48em){.s{visibility:visible}}", 'class="v s"'),
        (
            ".n{display:none!important}@media (min-width:768px){.b{display:table-cell!important}}",
            'class="n b"',
        ),
        (".a{display:none}@media print, (min-width:600px) and (max-width:1920px){.a{display:block}}", "class=a"),
        ("#a{display:none}@media screen and (min-width:600px){#a{display:block}}", "id=a"),
        (".hidden{display:none}@media screen{.b{display:block}}", 'class="hidden b"'),
        ("@media (max-width:600px){.a{display:none}}@media (min-width:600px){.a{display:none}}", "class=a"),
        ("@media print{.a{display:none}}@supports not (display:grid){.a{display:none}}", "class=a"),
    ],
)
def test_what_is_shown_on_a_wide_screen_is_seen(sheet: str, attributes: str) -> None:
    assert shown(sheet, attributes)


@pytest.mark.parametrize(
    ("sheet", "attributes"),
    [
        (".h{display:none}@media (min-width:1px){.other{display:block}}", "class=h"),
        (".h{display:none}@media (min-width:4000px){.b{display:block}}", 'class="h b"'),
        (".h{display:none}@media (max-width:600px){.b{display:block}}", 'class="h b"'),
        (".h{display:none}@media print{.b{display:block}}", 'class="h b"'),
        (".h{display:none}@media not screen and (min-width:1px){.b{display:block}}", 'class="h b"'),
        (".h{display:none}@media (min-width:1px){.b{display:nonsense}}", 'class="h b"'),
        (".h{display:none}@media (min-width:1px){.b{visibility:visible}}", 'class="h b"'),
        (".h{display:none;font-size:0}@media (min-width:1px){.b{display:block}}", 'class="h b"'),
        ("@media (min-width:1px){.b{display:block}}.h{display:none}", 'class="h b"'),
        (".h{dis\\70lay:none!important}@media (min-width:1px){.b{display:block}}", 'class="h b"'),
        ("#h{display:none}@media (min-width:1px){.b{display:block}}", 'id=h class="b"'),
        (".h{display:none}@layer x{@media (min-width:1px){.b{display:block}}}", 'class="h b"'),
    ],
)
def test_what_no_class_shows_on_a_wide_screen_stays_hidden(sheet: str, attributes: str) -> None:
    assert not shown(sheet, attributes)


@pytest.mark.parametrize(
    "block",
    [
        "@media screen", "@media all", "@media only screen", "@media print, screen", "@layer", "@layer base.more",
        "@supports (display:grid)", "@MEDIA Screen", "@layer x{@supports (a:b){@media screen",
    ],
)  # fmt: skip
def test_what_a_block_for_every_screen_hides_is_hidden(block: str) -> None:
    assert not shown(f"{block}{{.h{{display:none}}{'}' * (1 + block.count('{'))}", "class=h")
    assert not shown(f".h{{{block}{{display:none}}{'}' * (1 + block.count('{'))}}}", "class=h")


def test_a_rule_hides_though_others_stand_in_it() -> None:
    assert not shown(".h{display:none;&:hover{color:red}}", "class=h")
    assert shown(".h{color:red;.x{display:none}}", 'class="h x"')


@pytest.mark.parametrize("piece", [".a,", ".a{", "@media screen{", "\\61", "(", "a:b;@layer{d:e}", "}"])
@pytest.mark.alone
def test_a_hostile_sheet_costs_linear_time(piece: str) -> None:
    computed(3, lambda: sheet_of(f"<style>{'.s,' * 100_000}.z{{{piece * (300_000 // len(piece))}"))
